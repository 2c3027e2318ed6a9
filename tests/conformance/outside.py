"""A case asked from outside: its request as ask.py sends it, and what came back in the words of a case."""
import itertools
import json
import re

import judge
import tables

# What a client and the destination can see; the rest of a case is for conformance-decide.
TIMERS_S = 0.02  # by so much a timer may be early against the client's clock: Envoy's count whole milliseconds
VISIBLE = ("to", "status", "path", "host", "sees", "gets", "location", "body", "attempts", "took")
# And what a waypoint of ours tells besides, in its log and to the destination; `watched` results have it.
TOLD = ("rule", "flag", "statPrefix", "timeout", "mirrored", "abort")
MANY = 300  # requests, where a case is about shares of thousands
_numbers = itertools.count(1)


def request(case, to):
    """The request of a case, with a number of its own by which the destination counts attempts."""
    asked = tables.question(case)
    headers = asked["headers"] + [["x-ask", f"{case.name}/{next(_numbers)}"]]
    for version, text in case.given.get("servers", {}).items():
        headers.append(["x-play", f"{version}: {text}"])
    spoken = str(case.given.get("servers", "")) + str(case.given.get("abort", ""))
    if "grpc" in spoken and "content-type" not in dict(headers):
        headers.append(["content-type", "application/grpc"])
    path = f"{asked['scheme']}://{asked['authority']}{asked['path']}" if "scheme" in case.given else asked["path"]
    return {"to": to, "method": asked["method"], "path": path, "authority": asked["authority"],
            "headers": headers}


def same_place(wanted, got):
    """Pods are of versions: v2-1 is v2. Of other services the version counts where both name it: books/v1 is books-v1."""
    name = re.sub(r":\d+$", "", wanted or "").replace("/", "-")
    return wanted == got or bool(got and wanted) and (
        name in ("any", got) or got.startswith(name + "-") or name.startswith(got + "-"))


def seen(result):
    """What came back, in the words of a case."""
    out = {"status": result["status"], "gets": result["headers"], "body": result["body"], "path": None,
           "host": None, "sees": None, "attempts": None, "to": dict(result["headers"]).get("x-version"),
           "location": dict(result["headers"]).get("location"), "took": result["seconds"]}
    try:
        echoed = json.loads(result["body"])
    except ValueError:
        return out
    if not isinstance(echoed, dict) or "version" not in echoed:
        return out
    headers = echoed["headers"]
    return {**out, "to": echoed["version"], "path": echoed["path"], "sees": headers, "attempts": echoed["number"],
            "host": dict(headers).get("host")}


def told_differ(wanted, result, got):
    """The same for what the waypoint tells besides."""
    log, aborted = result["log"], (wanted.get("abort") or "").split()
    if "rule" in wanted and log["rule"] != wanted["rule"]:
        yield f"rule: expected {wanted['rule']!r}, is {log['rule']!r}"
    if "statPrefix" in wanted and log["statPrefix"] != wanted["statPrefix"]:
        yield f"statPrefix: expected {wanted['statPrefix']!r}, is {log['statPrefix']!r}"
    if wanted.get("flag") and wanted["flag"] not in log["flags"]:
        yield f"flag: expected {wanted['flag']}, is {log['flags']}"
    if "timeout" in wanted and got["sees"] is not None:
        limit = dict(got["sees"]).get("x-envoy-expected-rq-timeout-ms", "0")
        if tables.milliseconds(wanted["timeout"]) != float(limit):
            yield f"timeout: expected {wanted['timeout']}, is {limit} ms"
    if aborted[:1] == ["grpc"] and dict(got["gets"]).get("grpc-status") != aborted[1]:
        yield f"abort: expected {wanted['abort']}, is {got['gets']}"


def differences(case, result):
    """What is not as the case expects, of all that can be seen from outside; [] when all is."""
    if "error" in result:
        return [f"no answer: {result['error']}"]
    if "counts" in result:
        return list(judge.shares_off(case.given["shares"], result["counts"], MANY))
    wanted = {key: value for key, value in case.expected().items() if key in VISIBLE}
    got, out = seen(result), []
    if "log" in result:
        out += told_differ(case.expected(), result, got)
    copies = case.expected().get("mirrored")
    if copies is not None and "mirrored" in result and sorted(copies) != sorted(result["mirrored"]):
        out.append(f"mirrored: expected {copies}, is {result['mirrored']}")
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
            if not same_place(value, got[key]):
                out.append(f"to: expected {value}, is {got[key]}")
        elif got[key] != value:
            out.append(f"{key}: expected {value!r}, is {got[key]!r}")
    return out
