"""A case asked from outside: its request as ask.py sends it, and what came back in the words of a case."""
import itertools
import json
import re

import judge
import tables

# What a client and the destination can see; the rest of a case is for conformance-decide.
TIMERS_S = 0.02  # by so much a timer may be early against the client's clock: Envoy's count whole milliseconds
VISIBLE = ("to", "status", "path", "host", "sees", "gets", "location", "body", "attempts", "took")
_numbers = itertools.count(1)


def request(case, to):
    """The request of a case, with a number of its own by which the destination counts attempts."""
    asked = tables.question(case)
    headers = asked["headers"] + [["x-ask", f"{case.name}/{next(_numbers)}"]]
    for version, text in case.given.get("servers", {}).items():
        headers.append(["x-play", f"{version}: {text}"])
    return {"to": to, "method": asked["method"], "path": asked["path"], "authority": asked["authority"],
            "headers": headers}


def seen(result):
    """What came back, in the words of a case."""
    out = {"status": result["status"], "gets": result["headers"], "body": result["body"], "path": None,
           "host": None, "sees": None, "attempts": None, "to": dict(result["headers"]).get("x-version"),
           "location": dict(result["headers"]).get("location"), "took": result["seconds"]}
    try:
        echoed = json.loads(result["body"])
    except ValueError:
        return out
    headers = echoed["headers"]
    return {**out, "to": echoed["version"], "path": echoed["path"], "sees": headers, "attempts": echoed["number"],
            "host": dict(headers).get("host")}


def differences(case, result):
    """What is not as the case expects, of all that can be seen from outside; [] when all is."""
    if "error" in result:
        return [f"no answer: {result['error']}"]
    wanted = {key: value for key, value in case.expected().items() if key in VISIBLE}
    got, out = seen(result), []
    if wanted.get("to") and "status" not in wanted:
        wanted["status"] = 200
    if case.given.get("delay") and "took" not in wanted:
        wanted["took"] = [case.given["delay"], "59s"]
    for key, value in wanted.items():
        if key in ("sees", "gets"):
            out += judge.headers_differ(value, got[key])
        elif key == "took":
            least, most = (tables.milliseconds(one) / 1000 for one in value)
            if not least - TIMERS_S <= got[key] <= most:
                out.append(f"took {got[key]:.2f} s, expected {least} to {most}")
        elif key == "to":
            name = value and re.split("[:/-]", value)[0]
            if name != got[key] and not (name == "any" and got[key]):
                out.append(f"to: expected {value}, is {got[key]}")
        elif got[key] != value:
            out.append(f"{key}: expected {value!r}, is {got[key]!r}")
    return out
