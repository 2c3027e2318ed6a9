"""Cases asked at real waypoints and edges of a lab, and what those tell besides of each request: the log's line, mirrored copies.

    results = ask(lab, [(client, case, place, family), ...], proxies, servers)      # pods: "shop/web", ...
"""
import collections
import json
import pathlib

import outside
import tables
from lab import wait_until

HERE = pathlib.Path(__file__).resolve().parent
FLAGS = ["--waypoint-flag=--log-format=json"]  # of labs that are watched


def logged(lab, proxies):
    """By request id: what the proxies' logs say, the last of them where several saw the request."""
    out = {}
    for pod in proxies:
        for line in lab.log_lines(pod):
            if "request_id" in line:
                flags = line.get("response_flags", "-")
                out[line["request_id"]] = {"rule": line.get("route_name", "").removeprefix("-"), "flags": flags.split(","),
                                           "statPrefix": line.get("stat_prefix", "")}
    return out


def named(version):
    """As cases name it: echo servers call themselves SERVICE-VERSION where that is SERVICE/VERSION."""
    return version.replace("-", "/")


def mirrored(lab, servers):
    """By request: "VERSION as HOST" of the copies that servers got."""
    out = collections.defaultdict(list)
    for pod, version in servers.items():
        told = json.loads(lab.exec(pod, "curl", "-sS", "http://localhost:8080/_mirrored", check=True).stdout)
        for asked, hosts in told.items():
            out[asked] += [f"{named(version)} as {host}" for host in hosts]
    return out


def ask_from(lab, client, requests, at_once):
    done = lab.exec(client, "/usr/bin/python3", HERE / "ask.py", "--at-once", at_once, timeout=600, check=True,
                    input=json.dumps(requests))
    return json.loads(done.stdout)


def ask(lab, asked, proxies, servers, at_once=16):
    """(case, result) of each; a result has `log` and `mirrored`, and `counts` where a case asks many."""
    by_client = collections.defaultdict(list)
    for at, (client, case, place, family) in enumerate(asked):
        count = outside.MANY if "times" in case.given else 1
        by_client[client] += [(at, {**outside.request(case, place), "family": family}) for _ in range(count)]
    found = collections.defaultdict(list)
    for client, requests in by_client.items():
        for one in requests:
            one[1]["headers"].append(["x-request-id", number(one[1])])
        answers = ask_from(lab, client, [request for _, request in requests], at_once)
        for (at, request), answer in zip(requests, answers, strict=True):
            found[at].append((number(request), answer))
    lines = all_lines(lab, proxies, {one for at, pairs in found.items() if wants_log(asked[at][1]) for one, _ in pairs})
    copies = all_copies(lab, servers, {pairs[0][0]: len(asked[at][1].given.get("mirrored", [])) for at, pairs in found.items()})
    return [(asked[at][1], result(asked[at][1], pairs, lines, copies)) for at, pairs in sorted(found.items())]


def all_lines(lab, proxies, requests):
    """The log's, once these requests are in it."""
    def complete():
        lines = logged(lab, proxies)
        return [lines] if requests <= set(lines) else []
    return wait_until(complete, "a line of each request in the log")[0]


def all_copies(lab, servers, least):
    """What servers got, once it is so many of each request: copies come behind the answers."""
    def complete():
        copies = mirrored(lab, servers)
        return [copies] if all(len(copies[one]) >= count for one, count in least.items()) else []
    return wait_until(complete, "all copies")[0]


def number(request):
    return dict(request["headers"])["x-ask"]


def wants_log(case):
    return bool({"rule", "flag", "statPrefix"} & set(case.given))


def result(case, pairs, lines, copies):
    if "times" in case.given:
        return {"counts": counted(pairs, copies)}
    (one, answer), = pairs
    return {**answer, "log": lines.get(one), "mirrored": copies[one]} if one in lines else answer


def counted(pairs, copies):
    """How many requests each version answered, how many were aborted, and copies, as a case's `shares` name them."""
    counts = collections.Counter()
    for one, answer in pairs:
        counts[named(outside.seen(answer)["to"] or "abort")] += 1
        counts.update(f"mirror {text.split()[0]}" for text in copies[one])
    return counts


def shown(case):
    """Whether what a case is about can be seen from outside, and not only where it leads."""
    expected = set(case.expected())
    return not {"policy", "retries"} & expected or bool({"attempts", "took", "status"} & expected)


def askable(case):
    """Whether anybody outside could tell the case from its near misses."""
    return any(key in outside.VISIBLE + outside.TOLD or key in ("delay", "shares") for key in case.expected())
