"""Cases of several requests before a real waypoint: turns, shares, copies and attempts, over both address families."""
import collections
import hashlib
import json
import os

import pytest
import yaml

import waypoint_lab
from waypoint_lab import HERE, Lab, pod, service

V1_PODS, V2_PODS = 9, 3
WEIGHED = 10_000
POINTS = 2  # percentage points that a share may be off
COPIES, COPY_BYTES = 1_000, 64 * 1024


def rule(http, **policy):
    """A VirtualService and DestinationRule for reviews."""
    policy = {"loadBalancer": {"simple": "ROUND_ROBIN"}, **policy}
    versions = [{"name": v, "labels": {"version": v}} for v in ("v1", "v2", "v3")]
    return yaml.safe_dump_all([
        waypoint_lab.tables.api_object("VirtualService", "reviews", {"hosts": ["reviews"], "http": http}),
        waypoint_lab.tables.api_object("DestinationRule", "reviews",
                                       {"host": "reviews", "trafficPolicy": policy, "subsets": versions})])


def to(subset, **more):
    return {"route": [{"destination": {"host": "reviews", "subset": subset}}], **more}


def world():
    echo = ["python3", str(HERE / "echo.py")]
    out = waypoint_lab.mesh() + [pod("web", "shop", {"app": "web"}, "sleep", "100000"), service("reviews", "reviews")]
    for version, count in (("v1", V1_PODS), ("v2", V2_PODS), ("v3", 1)):
        out += [pod(f"{version}-{i}", "shop", {"app": "reviews", "version": version}, *echo, f"{version}-{i}",
                    "--port", "8080", ports=[8080]) for i in range(1, count + 1)]
    return yaml.safe_dump_all(out, sort_keys=False)


@pytest.fixture(scope="module")
def lab():
    with Lab(f"conf-proof-{os.getpid()}", world()) as made:
        yield made


def ask(lab, family, count=1, headers=(), at_once=8, method="GET", body_bytes=0):
    one = {"to": ["reviews", 80], "method": method, "path": "/", "authority": "reviews", "family": family,
           "headers": list(headers), "bodyBytes": body_bytes}
    done = lab.exec("shop/web", "/usr/bin/python3", HERE / "ask.py", "--at-once", at_once, timeout=170, check=True,
                    input=json.dumps([one] * count))
    return json.loads(done.stdout)


def pods(answers):
    wrong = [one for one in answers if one.get("status") != 200]
    assert not wrong, wrong[:3]
    return [json.loads(one["body"])["version"] for one in answers]


@pytest.mark.parametrize("family", [4, 6])
def test_six_requests_with_a_cookie_reach_each_of_three_pods_twice(lab, family):
    pattern = "^(.*?;)?(user=jason)(;.*)?$"
    lab.apply(rule([to("v2", match=[{"headers": {"cookie": {"regex": pattern}}}]), to("v1")]))
    reached = pods(ask(lab, family, 6, [["cookie", "user=jason"]], at_once=1))
    assert sorted(reached) == sorted([f"v2-{i}" for i in range(1, V2_PODS + 1)] * 2)
    for cookie in ("user=jasonx", "xuser=jason", "USER=jason", "a=b; user=jason"):
        assert pods(ask(lab, family, 1, [["cookie", cookie]]))[0].startswith("v1"), cookie
    assert pods(ask(lab, family, 1, [["cookie", "a=b;user=jason;c=d"]]))[0].startswith("v2")


@pytest.mark.parametrize("family", [4, 6])
def test_shares_are_those_of_the_weights_whatever_the_number_of_pods(lab, family):
    shares = {"v1": 50, "v2": 25, "v3": 25}
    lab.apply(rule([{"route": [{"destination": {"host": "reviews", "subset": v}, "weight": w} for v, w in shares.items()]}]))
    reached = pods(ask(lab, family, WEIGHED // 2))
    for version, share in shares.items():
        part = 100 * sum(one.startswith(version) for one in reached) / len(reached)
        assert abs(part - share) <= POINTS, (version, part)
    lab.apply(rule([to("v3")]))
    assert set(pods(ask(lab, family, 1000))) == {"v3-1"}


@pytest.mark.parametrize("family", [4, 6])
def test_retries_hide_a_version_that_always_fails_and_count_their_attempts(lab, family):
    route = {"route": [{"destination": {"host": "reviews"}}], "retries": {"attempts": 3, "retryOn": "5xx"}}
    lab.apply(rule([route]))
    failing = [["x-play", "v2-1: 500"]]
    answers = ask(lab, family, 200, failing)
    assert "v2-1" not in pods(answers)
    attempts = [dict(json.loads(one["body"])["headers"])["x-envoy-attempt-count"] for one in answers]
    assert set(attempts) == {"1", "2"}


def told(lab, version, count):
    """What all pods of a version have received: how often each "HOST BYTES HASH"."""
    out = collections.Counter()
    for i in range(1, count + 1):
        done = lab.exec(f"shop/{version}-{i}", "curl", "-sS", "http://localhost:8080/_told", check=True)
        out.update(json.loads(done.stdout))
    return out


@pytest.mark.parametrize("family", [4, 6])
def test_every_body_is_mirrored_once_and_only_the_destination_answers(lab, family):
    lab.apply(rule([to("v1", mirror={"host": "reviews", "subset": "v2"})]))
    before = told(lab, "v2", V2_PODS)
    reached = pods(ask(lab, family, COPIES, method="POST", body_bytes=COPY_BYTES, at_once=4))
    assert all(one.startswith("v1") for one in reached)
    (words, copies), = (told(lab, "v2", V2_PODS) - before).items()
    host, size, digest = words.split()
    assert host == "reviews-shadow" and int(size) == COPY_BYTES and copies == COPIES
    assert digest == hashlib.sha256(b"x" * COPY_BYTES).hexdigest()


@pytest.mark.parametrize("family", [4, 6])
def test_a_mirror_that_fails_or_stalls_changes_nothing_for_the_client(lab, family):
    lab.apply(rule([to("v1", mirror={"host": "reviews", "subset": "v3"})]))
    for play in ("v3-1: 500", "v3-1: wait 3s"):
        answers = ask(lab, family, 20, [["x-play", play]])
        assert all(one.startswith("v1") for one in pods(answers))
        assert max(one["seconds"] for one in answers) < 3, play


@pytest.mark.parametrize("family", [4, 6])
def test_an_aborted_request_reaches_nobody(lab, family):
    fault = {"abort": {"httpStatus": 500, "percentage": {"value": 100}}}
    lab.apply(rule([to("v3", fault=fault)]))
    before = told(lab, "v3", 1)
    assert {one["status"] for one in ask(lab, family, 20)} == {500}
    assert told(lab, "v3", 1) == before


@pytest.mark.parametrize("family", [4, 6])
def test_one_connection_and_one_that_waits_the_third_is_told_at_once(lab, family):
    pool = {"tcp": {"maxConnections": 1}, "http": {"http1MaxPendingRequests": 1}}
    lab.apply(rule([to("v3")], connectionPool=pool))
    ask(lab, family)  # the connection is there: a request that waits for a new one would count as the one that waits
    answers = ask(lab, family, 3, [["x-play", "v3-1: wait 2s"]], at_once=3)
    assert sorted(one["status"] for one in answers) == [200, 200, 503]
    refused = next(one for one in answers if one["status"] == 503)
    assert refused["seconds"] < 2 and dict(refused["headers"]).get("x-envoy-overloaded") == "true"


@pytest.mark.parametrize("family", [4, 6])
def test_a_connection_takes_exactly_as_many_requests_as_the_rule_says(lab, family):
    lab.apply(rule([to("v3")], connectionPool={"http": {"maxRequestsPerConnection": 10}}))
    answers = ask(lab, family, 60, at_once=1)
    assert max(json.loads(one["body"])["nth"] for one in answers) == 10


@pytest.mark.parametrize("family", [4, 6])
def test_a_pod_that_fails_three_times_in_a_row_is_left_out(lab, family):
    outlier = {"consecutive5xxErrors": 3, "interval": "1s", "baseEjectionTime": "60s", "maxEjectionPercent": 100}
    lab.apply(rule([to("v2", retries={"attempts": 0})], outlierDetection=outlier))
    ask(lab, family, 60, [["x-play", "v2-2: 500"]], at_once=1)
    answers = ask(lab, family, 20, [["x-play", "v2-2: 500"]], at_once=1)
    assert set(pods(answers)) == {"v2-1", "v2-3"}
