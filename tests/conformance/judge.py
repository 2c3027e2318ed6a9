"""Whether what conformance-decide answered is what a case expects."""
import json
import os
import pathlib
import subprocess

import tables

ROOT = pathlib.Path(__file__).resolve().parents[2]
FLAGS = {"no route": "NR", "no host": "NR", "no cluster": "NC", "refused": "CR"}
STATUS = {"no route": 404, "no host": 404, "no cluster": 503, "refused": 503}
SHARE_SIGMA = 4


def program():
    build = pathlib.Path(os.environ.get("CULVERT_BUILD", ROOT / "build"))
    return pathlib.Path(os.environ.get("CULVERT_DECIDE", build / "tests/conformance/conformance-decide"))


def decide(questions, using=None):
    """Answers of the program to a list of (objects as text, services, requests, own namespace)."""
    asked = [{"objects": text, "services": services, "asks": asks, "ownNamespace": own}
             for text, services, asks, own in questions]
    done = subprocess.run([using or program()], input=json.dumps(asked), text=True, capture_output=True, timeout=900)
    if done.returncode != 0:
        raise RuntimeError(f"conformance-decide ended with {done.returncode}: {done.stderr[-2000:]}")
    return json.loads(done.stdout)


def schema():
    return json.loads(subprocess.run([program(), "--schema"], capture_output=True, check=True, timeout=300).stdout)


def asked(group, text=None):
    return (text if text is not None else group.text(), group.services(), [tables.question(c) for c in group.cases],
            group.given.get("ownNamespace", tables.SHOP))


def place(cluster):
    """A cluster as the tables name it."""
    host, subset = cluster["host"], cluster["subset"]
    name, _, rest = host.partition(".")
    if rest != f"{tables.SHOP}.svc.cluster.local":
        name = host.removesuffix(".svc.cluster.local")
    return (subset or "any") if name == "reviews" else name + (f"/{subset}" if subset else "")


def seen(answer):
    """An answer in the words of a case."""
    kind, fault, cors = answer["kind"], answer.get("fault", {}), answer.get("cors", {})
    out = {"rule": answer["route"], "gets": answer["gets"], "statPrefix": answer.get("statPrefix", ""),
           "why": answer["why"]}
    for same in ("location", "body", "path", "sees", "timeout", "retries", "policy"):
        out[same] = answer.get(same)
    out["host"] = answer.get("authority")
    out["delay"], out["abort"] = fault.get("delay"), fault.get("abort")
    out["flag"] = FLAGS.get(kind, "")
    out["mirrored"] = [f"{place(one)} as {one['authority']}" for one in answer.get("mirrors", [])]
    out["status"] = answer.get("status", STATUS.get(kind, 200))
    out["labels"] = answer.get("cluster", {}).get("labels")
    out["to"] = place(answer["cluster"]) + (f":{answer['cluster']['port']}") if "cluster" in answer else None
    played = answer.get("played", {})
    out["attempts"] = played.get("attempts")
    if played:
        out["status"] = played["status"]
    if cors.get("answered"):
        out["status"], out["to"], out["gets"] = 200, None, cors["headers"]
    elif cors:
        names = {name for name, _ in cors["headers"]}
        out["gets"] = [h for h in out["gets"] if h[0] not in names] + cors["headers"]
    elif out["abort"]:
        word, number = out["abort"].split()
        out["status"], out["to"] = (int(number) if word == "http" else 200 if word == "grpc" else None), None
    return out


def headers_differ(wanted, got):
    """Names whose values are not as wanted: a text, a list of them, or null for none."""
    for name, value in wanted.items():
        values = [text for key, text in got or [] if key == name]
        want = [] if value is None else [str(v) for v in value] if isinstance(value, list) else [str(value)]
        if values != want:
            yield f"header {name}: expected {want}, is {values}"


def maps_differ(what, wanted, got):
    for name, value in wanted.items():
        have = None if got is None else got.get(name)
        if tables.milliseconds(have) != tables.milliseconds(value):
            yield f"{what} {name}: expected {value}, is {have}"


def same_place(wanted, got):
    """"v2" is that version at any port, "v2:9090" at that one, null nowhere."""
    return got == wanted or (got is not None and wanted is not None and got.rpartition(":")[0] == wanted)


def differences(case, answer):
    """What is not as the case expects; [] when all is."""
    wanted = case.expected()
    if "shares" in wanted:
        return list(shares_differ(wanted["shares"], answer, case.given["times"]))
    got, out = seen(answer), []
    if not answer["explained"]:
        out.append("an explanation comes to another rule")
    if wanted.get("to") and "status" not in wanted and "abort" not in wanted:
        wanted = {**wanted, "status": 200}
    for key, value in wanted.items():
        if key == "took":  # what a clock would have to tell
            continue
        if key in ("sees", "gets"):
            out += headers_differ(value, got[key])
        elif key in ("policy", "retries") and isinstance(value, dict):
            out += maps_differ(key, value, got[key])
        elif key == "to":
            if not same_place(value, got[key]):
                out.append(f"to: expected {value}, is {got[key]}")
        elif key == "why":
            if value not in got[key]:
                out.append(f"why: expected {value!r}, is {got[key]!r}")
        elif tables.milliseconds(got[key]) != tables.milliseconds(value):
            out.append(f"{key}: expected {value!r}, is {got[key]!r}")
    return out


def shares_differ(wanted, counts, times):
    """Each share in per cent, within four standard deviations of chance; an exact 0 or 100 exactly."""
    named = {}
    for name, count in counts.items():
        head, _, cluster = name.rpartition(" ") if name.startswith("mirror ") else ("", "", name)
        if "|" in cluster:
            host, subset = cluster.split("|")
            cluster = place({"host": host, "subset": subset})
        named[f"{head} {cluster}".strip()] = count
    yield from shares_off(wanted, named, times)


def shares_off(wanted, named, times):
    for name, percent in wanted.items():
        share, count = percent / 100, named.get(name, 0)
        slack = SHARE_SIGMA * (times * share * (1 - share)) ** 0.5
        if abs(count - times * share) > slack:
            yield f"{name}: expected {percent} % of {times}, is {count}"


def refusals_missing(group, diagnostics):
    """Texts of `refused` that no diagnostic has."""
    return [text for text in group.refused if not any(text in told for told in diagnostics)]


def faults_of(group, result):
    """All that is wrong with a group's answers, a line each."""
    told = result["diagnostics"]
    out = [f"{group.name}: not told: {text}; but {told}" for text in refusals_missing(group, told)]
    if not group.refused:
        out += [f"{group.name}: {one}" for one in told]
    for name, wanted in group.given.get("reports", {}).items():
        lines = result["reports"].get(name, {})
        have = lines.get("lines", []) + [f"unknown {one}" for one in lines.get("unknown", [])]
        out += [f"{group.name}: report of {name} has no {text!r} but {have}" for text in wanted if text not in have]
    if not group.proxies:
        for case, answer in zip(group.cases, result["answers"], strict=True):
            out += [f"{case.name}: {one}" for one in differences(case, answer)]
    return out
