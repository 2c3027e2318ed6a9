"""At which level a DestinationRule says what holds, by what requests meet at a real waypoint, over both address families: the whole
destination, one of its ports, a subset, and a port of a subset. A block that a subset names takes the place of the destination's; the
settings of a port take the place of all that is above them.
"""
import collections
import itertools
import json
import subprocess

import pytest
import yaml

from proof_lab import HERE, V2_PODS, WAYPOINT, dual, local, numbered, pods
from tables import api_object
from waypoint_lab import wait_until

HTTP, MORE = 80, 9090  # the service's ports; both lead to the same pods
ASKED = 6
ALL = ASKED  # nothing bounds them
NEVER = {"attempts": 0}
HOLD, FAIL = [["x-play", "v3-1: hold"]], [["x-play", "v3-1: 500"]]
_marks = itertools.count(1)


def pool(http=None, **tcp):
    return {"connectionPool": {"tcp": {"connectTimeout": "10s", **tcp}, **({"http": http} if http else {})}}


def ejecting(**errors):
    return {"outlierDetection": {"interval": "1s", "baseEjectionTime": "900s", "maxEjectionPercent": 100, **errors}}


def at_port(**policy):
    return {"portLevelSettings": [{"port": {"number": MORE}, **policy}]}


class Levels:
    """A service of its own, whose rules lead each path to the subset that it is called after, or to no subset."""

    def __init__(self, shop, family, labels):
        self.shop, self.family, self.labels = shop, family, labels
        self.mark = next(_marks)
        shop.apply(yaml.safe_dump(dual("levels", {"app": "reviews", **labels},
                                       [{"name": "http", "port": HTTP, "targetPort": 8080},
                                        {"name": "http-more", "port": MORE, "targetPort": 8080}])))

    def apply(self, policy, subsets, retries=None):
        rules = [{"match": [{"uri": {"prefix": f"/{name}/"}}], "route": [{"destination": {"host": "levels", "subset": name}}]}
                 for name in subsets] + [{"route": [{"destination": {"host": "levels"}}]}]
        listed = [{"name": name, "labels": self.labels, **({"trafficPolicy": own} if own else {})} for name, own in subsets.items()]
        spec = {"host": "levels", **({"trafficPolicy": policy} if policy else {}), **({"subsets": listed} if listed else {})}
        self.shop.apply(yaml.safe_dump_all([
            api_object("VirtualService", "levels", {"hosts": ["levels"], "http": [{**one, "retries": retries or NEVER} for one in rules]}),
            api_object("DestinationRule", "levels", spec)]))

    def path(self, cluster):
        return f"/{cluster[0]}/{cluster[1]}/{self.mark}"

    def begin(self, clusters, count, headers=(), at_once=None):
        """So many requests to each of the clusters: (subset, port)."""
        asked = [{"to": ["levels", cluster[1]], "family": self.family, "method": "GET", "path": self.path(cluster), "authority": "levels",
                  "headers": [*headers, *numbered()]} for cluster in clusters for _ in range(count)]
        process = self.shop.popen("shop/web", "/usr/bin/python3", HERE / "ask.py", "--at-once", at_once or len(asked), stdin=subprocess.PIPE)
        process.stdin.write(json.dumps(asked))
        process.stdin.close()
        process.stdin = None
        return process

    def ask(self, clusters, count, headers=(), at_once=1):
        return self.end(self.begin(clusters, count, headers, at_once))

    def end(self, process):
        out, _ = process.communicate(timeout=600)
        return json.loads(out)

    def told(self):
        """By cluster, the status and the flags of each of its lines in the waypoint's log."""
        out = collections.defaultdict(list)
        for line in self.shop.logs(WAYPOINT).splitlines():
            before, _, behind = line.partition(' HTTP/1.1" ')
            words = before.rpartition(" ")[2].split("/")
            if len(words) == 4 and words[3] == str(self.mark):
                out[words[1], int(words[2])].append(" ".join(behind.split()[:2]))
        return out

    def lines(self, count):
        return wait_until(lambda: (told := self.told()) if sum(map(len, (told := self.told()).values())) == count else None,
                          f"{count} lines in the log")

    def held(self):
        return local(self.shop, "v3-1", "/_held")["held"]

    def forget(self, clusters):
        """What the waypoint knows of pods' errors, from rules of the test before."""
        self.apply({}, {name: {} for name, _ in clusters if name != "whole"})
        pods(self.ask(clusters, 1))
        self.mark = next(_marks)


@pytest.fixture
def levels(shop, family):
    """With the pod of v3 alone."""
    return Levels(shop, family, {"version": "v3"})


def requests(n):
    return pool({"http2MaxRequests": n})


def waiting(n):
    return pool({"http1MaxPendingRequests": n}, maxConnections=1)


def errors(n):
    return ejecting(consecutive5xxErrors=n)


def held_or(levels, clusters, headers, told_at_once):
    """How many of ASKED requests to each are held by the pod, where the others are told at once."""
    before, asked = levels.held(), ASKED * len(clusters)
    asking = levels.begin(clusters, ASKED, headers)

    def all_known():
        refused = sum(line == told_at_once for lines in levels.told().values() for line in lines)
        known[:] = levels.held() - before, refused
        return sum(known) == asked
    known = []
    try:
        wait_until(all_known, "each request is held or refused")
    except AssertionError as late:
        raise AssertionError(f"{late}: {known} of {asked}: {dict(levels.told())}") from late
    finally:
        local(levels.shop, "v3-1", "/_release")
        levels.end(asking)
    told = levels.lines(asked)
    assert all(set(lines) <= {"200 -", told_at_once} for lines in told.values()), told
    return {cluster: told[cluster].count("200 -") for cluster in clusters}


def passed_at_once(levels, clusters):
    return held_or(levels, clusters, HOLD, "503 UO")


def waited(levels, clusters):
    """How many wait behind one that has the only connection; where there is no such bound, how many there are."""
    before = levels.held()
    first = levels.begin(clusters, 1, HOLD)
    wait_until(lambda: levels.held() - before == len(clusters), "the first are under way")
    asking = levels.begin(clusters, ASKED)
    expected = levels.expected_refused

    def refused():
        return sum(line == "503 UO" for lines in levels.told().values() for line in lines) >= expected
    try:
        wait_until(refused, f"{expected} are refused")
    finally:
        local(levels.shop, "v3-1", "/_release")
        levels.end(first)
        levels.end(asking)
    told = levels.lines((1 + ASKED) * len(clusters))
    assert all(set(lines) <= {"200 -", "503 UO"} for lines in told.values()), told
    return {cluster: told[cluster].count("200 -") - 1 for cluster in clusters}


def failed(levels, clusters):
    """How many fail at the pod before it is left out."""
    levels.ask(clusters, ASKED, FAIL)
    told = levels.lines(ASKED * len(clusters))
    assert all(lines == sorted(lines) and set(lines) <= {"500 -", "503 UH"} for lines in told.values()), told
    return {cluster: told[cluster].count("500 -") for cluster in clusters}


# A block with a bound of n, one of the same name without it, one of another name, and who counts what passes.
KINDS = {"http2MaxRequests": (requests, pool(), errors(100), passed_at_once),
         "http1MaxPendingRequests": (waiting, pool(), errors(100), waited),
         "consecutive5xxErrors": (errors, errors(0), pool(), failed)}


def places(bound, without, other):
    """By what is shown: the policy of the whole, of the subsets, and for each of them what it is bound to at ports 80 and 9090."""
    return {
        "all": ({**bound(1), **at_port(**bound(2))},
                {"plain": {}, "own": bound(3), "port": at_port(**bound(4)), "both": {**bound(3), **at_port(**bound(4))}},
                {"whole": (1, 2), "plain": (1, 2), "own": (3, 3), "port": (1, 4), "both": (3, 4)}),
        # Named without the bound, a block takes it away; what a subset does not name stays, what a port does not is at its default.
        "blocks": ({**bound(1), **at_port(**bound(2))},
                   {"named": without, "other": other, "port-named": at_port(**without), "port-other": at_port(**other)},
                   {"named": (ALL, ALL), "other": (1, 2), "port-named": (1, ALL), "port-other": (1, ALL)}),
        "port": (at_port(**bound(2)), {"plain": {}, "other": other}, {"whole": (ALL, 2), "plain": (ALL, 2), "other": (ALL, 2)}),
        "port-other": ({**bound(1), **at_port(**other)}, {"plain": {}, "own": bound(3)},
                       {"whole": (1, ALL), "plain": (1, ALL), "own": (3, 3)}),
        "subsets": ({}, {"plain": {}, "own": bound(3), "port": at_port(**bound(4))},
                    {"whole": (ALL, ALL), "plain": (ALL, ALL), "own": (3, 3), "port": (ALL, 4)})}


@pytest.mark.parametrize("shown", places(requests, pool(), pool()))
@pytest.mark.parametrize("kind", KINDS)
def test_each_level_bounds_what_is_its_own(levels, kind, shown):
    bound, without, other, count = KINDS[kind]
    policy, subsets, bounds = places(bound, without, other)[shown]
    expected = {(name, port): bounds[name][at] for name in bounds for at, port in enumerate((HTTP, MORE))}
    levels.forget(list(expected))
    levels.apply(policy, subsets)
    levels.expected_refused = sum(ASKED - most for most in expected.values())
    assert count(levels, list(expected)) == expected


def balanced(simple):
    return {"loadBalancer": {"simple": simple}}


def test_each_level_says_how_its_pods_are_chosen(shop, family):
    levels, turns = Levels(shop, family, {"version": "v2"}), balanced("ROUND_ROBIN")
    levels.apply({**turns, **at_port(**balanced("RANDOM"))},
                 {"plain": {}, "own": balanced("RANDOM"), "port": at_port(**turns), "both": {**balanced("RANDOM"), **at_port(**turns)},
                  "port-other": at_port(**pool())})
    in_turn = {"whole": (True, False), "plain": (True, False), "own": (False, False), "port": (True, True), "both": (False, True),
               "port-other": (True, False)}
    for name, expected in in_turn.items():
        for port, so in zip((HTTP, MORE), expected, strict=True):
            reached = pods(levels.ask([(name, port)], 10 * V2_PODS))
            assert len(set(reached)) == V2_PODS
            assert all(one == two for one, two in zip(reached, reached[V2_PODS:], strict=False)) == so, (name, port, reached)


@pytest.mark.parametrize("policy, spared", [({}, True), (balanced("LEAST_REQUEST"), True), (balanced("LEAST_CONN"), True),
                                            (balanced("RANDOM"), False), (balanced("ROUND_ROBIN"), False)],
                         ids=["absent", "LEAST_REQUEST", "LEAST_CONN", "RANDOM", "ROUND_ROBIN"])
def test_the_busiest_pod_is_spared_where_the_least_requests_decide(shop, family, policy, spared):
    levels, cluster = Levels(shop, family, {"version": "v2"}), ("whole", HTTP)
    levels.apply(policy, {})
    asking = levels.begin([cluster], 10 * V2_PODS, [["x-play", "v2-1: hold"]])
    try:
        wait_until(lambda: local(shop, "v2-1", "/_held")["held"] > 0, "the pod is busy")
        # Who holds nothing has answered: all that is under way is at one pod.
        wait_until(lambda: local(shop, "v2-1", "/_held")["held"] + len(levels.told()[cluster]) == 10 * V2_PODS, "the others are answered")
        reached = set(pods(levels.ask([cluster], 10 * V2_PODS)))
    finally:
        local(shop, "v2-1", "/_release")
        levels.end(asking)
    assert reached == {f"v2-{i}" for i in range(2 if spared else 1, V2_PODS + 1)}


def budget(n, **more):
    return {"retryBudget": {"percent": 0, "minRetryConcurrency": n, **more}}


@pytest.mark.parametrize("policy, subsets, most", [
    (budget(1), {"plain": {}, "own": budget(3), "port-other": at_port(**pool())},
     {"whole": 1, "plain": 1, "own": 3, "port-other": 1}),  # a port has none of its own
    ({}, {"plain": {}, "own": budget(2)}, {"whole": ALL, "plain": ALL, "own": 2})], ids=["all", "subset"])
def test_a_retry_budget_is_the_destinations_or_a_subsets_at_any_port(levels, policy, subsets, most):
    levels.apply(policy, subsets, retries={"attempts": 1, "retryOn": "5xx", "backoff": "1ms"})
    expected = {(name, port): count for name, count in most.items() for port in (HTTP, MORE)}
    assert held_or(levels, list(expected), [["x-play", "v3-1: 500 once, v3-1: hold"]], "500 UO") == expected


@pytest.mark.parametrize("interval, most", [({"budgetInterval": "600s"}, 2), ({"budgetInterval": "0s"}, 1), ({}, 1)], ids=["long", "none", "absent"])
def test_a_retry_budget_is_of_the_requests_of_its_interval(levels, interval, most):
    before, share = 20, {"percent": 10, "minRetryConcurrency": 1, **interval}  # of 20 to 29 tries two, of 1 to 9 none
    name = f"since-{levels.mark}"  # of which nothing is counted yet
    levels.apply({"retryBudget": share}, {name: {}}, retries={"attempts": 1, "retryOn": "5xx", "backoff": "1ms"})
    pods(levels.ask([(name, HTTP)], before))
    levels.mark = next(_marks)
    assert held_or(levels, [(name, HTTP)], [["x-play", "v3-1: 500 once, v3-1: hold"]], "500 UO") == {(name, HTTP): most}
