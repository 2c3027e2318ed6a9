"""What a DestinationRule bounds at a real waypoint, over both address families: connections, their age and their streams, time to
connect, servers that fall silent, how far ejection goes, who is chosen, and in which HTTP it is spoken to. (A hundred at once, and requests a connection: test_proof_failures.py.)
"""
import itertools
import json
import os
import signal
import subprocess
import time

import pytest
import yaml

from proof_lab import HERE, PORTS, V2_PODS, ask, dual, logged, pods, process_of, rule, rules_of, to
from tables import api_object
from test_proof_failures import V2_FAILS, dead, statuses
from waypoint_lab import wait_until

CANCELLED, UNAVAILABLE = 1, 14
CALLS = 6
GRPC = 2  # which container of servers-1
NEVER = {"attempts": 0}
SECONDS = 1, 5  # to connect
_numbers = itertools.count(1)

# A port whose queue is full: who connects gets no answer.
FULL_PORT = 8099
FULL = f"""
import socket, time
listener = socket.create_server(("::", {FULL_PORT}), family=socket.AF_INET6, backlog=0, dualstack_ipv6=True)
links = []
try:
    while True:
        links.append(socket.create_connection(("::1", {FULL_PORT}), 1))
except TimeoutError:
    print("full", flush=True)
time.sleep(1000)
"""


def policy_of(name, **policy):
    return yaml.safe_dump(api_object("DestinationRule", name, {"host": name, "trafficPolicy": policy}))


def test_connecting_takes_no_longer_than_the_rule_says(shop, family):
    shop.apply(yaml.safe_dump(dual("full", {"app": "servers"}, [{"name": "http", "port": 80, "targetPort": FULL_PORT}]))
               + "---\n" + rules_of("full", [{"route": [{"destination": {"host": "full"}}], "retries": NEVER}]))
    server = shop.popen("shop/servers-1", "/usr/bin/python3", "-c", FULL)
    try:
        assert server.stdout.readline() == "full\n"
        took = {}
        for seconds in SECONDS:
            shop.apply(policy_of("full", connectionPool={"tcp": {"connectTimeout": f"{seconds}s"}}))
            path = f"/full/{family}/{seconds}"
            answer, = ask(shop, family, path=path, place=("full", 80), authority="full")
            assert answer["status"] == 503 and " 503 UF " in wait_until(lambda: logged(shop, path), "the line")[0]  # noqa: B023
            took[seconds] = answer["seconds"]
        assert all(least <= took[least] for least in SECONDS) and took[SECONDS[0]] < took[SECONDS[1]], took
    finally:
        server.kill()
        server.communicate()


def nths(shop, family, count):
    """The number of each request on its connection to the server."""
    return [json.loads(one["body"])["nth"] for one in ask(shop, family, count, at_once=1)]


@pytest.mark.parametrize("limits, wait, again", [
    ({"http": {"idleTimeout": "2s"}}, 4, True), ({"http": {"idleTimeout": "300s"}}, 4, False),
    ({"tcp": {"idleTimeout": "2s"}}, 4, True)], ids=["http", "longer", "tcp"])
def test_an_idle_connection_is_closed_when_the_rule_says(shop, family, limits, wait, again):
    shop.apply(rule([to("v3")], connectionPool=limits))
    before = nths(shop, family, 2)
    time.sleep(wait)
    after, = nths(shop, family, 1)
    assert after == (1 if again else before[-1] + 1), (before, after)


def test_a_connection_that_is_never_idle_is_given_up_at_its_age(shop, family):
    shop.apply(rule([to("v3")], connectionPool={"tcp": {"maxConnectionDuration": "2s"}}))
    seen, until = [], time.monotonic() + 5
    while time.monotonic() < until:
        seen += nths(shop, family, 20)
    assert seen[1:].count(1) >= 1, seen
    shop.apply(rule([to("v3")], connectionPool={"tcp": {"maxConnectionDuration": "300s"}}))
    seen, until = nths(shop, family, 1), time.monotonic() + 3
    while time.monotonic() < until:
        seen += nths(shop, family, 20)
    assert seen == list(range(seen[0], seen[0] + len(seen)))


@pytest.fixture
def servers(shop):
    """Gives the service `servers` a policy; takes it away behind the test."""
    def policy(**what):
        shop.apply(rules_of("servers", [{"route": [{"destination": {"host": "servers"}}], "retries": NEVER}]) + "---\n"
                   + policy_of("servers", **what))
    yield policy
    shop.delete("DestinationRule", "shop/servers")


def hang(shop, family, count, seconds):
    """Calls that nobody answers, under way at once until they are cancelled."""
    asked = [{"to": ["servers", PORTS["grpc"]], "family": family, "method": "Hang", "timeout": 120, "cancel": seconds, "count": count}]
    process = shop.popen("shop/web", "/usr/bin/python3", HERE / "grpc_client.py", stdin=subprocess.PIPE)
    process.stdin.write(json.dumps(asked))
    process.stdin.close()
    process.stdin = None
    return process


def codes(process):
    return sorted(one["code"] for one in json.loads(process.communicate(timeout=120)[0]))


def connections(shop):
    """To the gRPC server of servers-1, by their ports at the other end."""
    done = shop.exec("shop/servers-1", "ss", "-Htn", "state", "established", f"( sport = :{PORTS['grpc']} )", check=True)
    return {line.split()[-1] for line in done.stdout.splitlines()}


@pytest.mark.parametrize("most, least_made, most_made", [(2, CALLS // 2, CALLS), (100, 0, CALLS // 2 - 1)])
def test_a_connection_has_no_more_streams_at_once_than_the_rule_says(shop, family, servers, most, least_made, most_made):
    before = connections(shop)
    servers(connectionPool={"http": {"maxConcurrentStreams": most}})
    # The others come when the first has its connection: how many are made at once is not the subject.
    first = hang(shop, family, 1, 20)
    made = wait_until(lambda: connections(shop) - before, "the first call is under way")
    calls = hang(shop, family, CALLS - 1, 4)
    while calls.poll() is None:
        made |= connections(shop) - before
    first.kill()
    first.wait()
    assert codes(calls) == [CANCELLED] * (CALLS - 1)
    assert least_made <= len(made) <= most_made, made


@pytest.mark.parametrize("limits, refused", [({"http2MaxRequests": 4}, CALLS - 4), ({"http2MaxRequests": CALLS}, 0)])
def test_calls_beyond_those_that_may_be_under_way_are_told_at_once(shop, family, servers, limits, refused):
    servers(connectionPool={"http": limits})
    assert codes(hang(shop, family, CALLS, 4)) == [CANCELLED] * (CALLS - refused) + [UNAVAILABLE] * refused


@pytest.mark.parametrize("pool, seconds, code", [
    ({"http": {"http2KeepAlive": {"interval": "1s", "timeout": "1s"}}}, 60, UNAVAILABLE), ({"http": {"maxRetries": 1}}, 5, CANCELLED)],
    ids=["asked", "not-asked"])
def test_a_server_that_answers_no_ping_is_given_up(shop, family, servers, pool, seconds, code):
    servers(connectionPool=pool)
    assert codes(hang(shop, family, 1, 1)) == [CANCELLED]  # there is a connection now
    server = process_of(shop, "shop/servers-1", GRPC)
    os.kill(server, signal.SIGSTOP)
    try:
        assert codes(hang(shop, family, 1, seconds)) == [code]
    finally:
        os.kill(server, signal.SIGCONT)


def outlier(shop, version, **policy):
    """A policy that has seen nothing yet."""
    shop.apply(rule([to(version)]))
    ask(shop, 4)
    shop.apply(rule([to(version, retries=NEVER)], outlierDetection={"interval": "1s", "baseEjectionTime": "900s",
                                                                    "maxEjectionPercent": 100, **policy}))


@pytest.mark.parametrize("percent, counts", [(0, {500: 3, 503: 9}), (50, {500: 12})])
def test_with_too_few_healthy_pods_all_are_asked_again(shop, family, percent, counts):
    outlier(shop, "v2", consecutive5xxErrors=1, minHealthPercent=percent)
    assert statuses(ask(shop, family, 12, V2_FAILS, at_once=1)) == counts


@pytest.mark.parametrize("status, ejected", [(500, False), (502, True), (503, True), (504, True)])
def test_gateway_errors_in_a_row_eject_apart_from_other_errors(shop, family, status, ejected):
    outlier(shop, "v3", consecutive5xxErrors=0, consecutiveGatewayErrors=2)
    path = f"/gateway/{family}/{status}"
    assert flags(shop, family, path, headers=[["x-play", f"v3-1: {status}"]]) == ["-", "-", *(["UH"] if ejected else ["-"]) * 2]
    shop.apply(rule([to("v3")]))
    assert statuses(ask(shop, family)) == {200: 1}


MANY = 1000  # errors, that no test makes


@pytest.mark.parametrize("counted, status, ejected", [
    ({"consecutiveErrors": 2}, 503, True), ({"consecutiveErrors": 2}, 500, False), ({"consecutiveErrors": MANY}, 503, False),
    ({"consecutive5xxErrors": 2}, 429, False), ({"consecutive5xxErrors": 2}, 500, True),
    ({"consecutive5xxErrors": 2, "outlierDetectionHttpErrorCodes": [429, 404]}, 429, True),
    ({"consecutive5xxErrors": 2, "outlierDetectionHttpErrorCodes": [429, 404]}, 404, True),
    ({"consecutive5xxErrors": 2, "outlierDetectionHttpErrorCodes": [429, 404]}, 500, False),
    ({"consecutive5xxErrors": 0, "consecutiveGatewayErrors": 2, "outlierDetectionHttpErrorCodes": [502]}, 502, True),
    ({"consecutive5xxErrors": 0, "consecutiveGatewayErrors": 2, "outlierDetectionHttpErrorCodes": [502]}, 503, False)])
def test_the_rule_says_which_answers_are_errors(shop, family, counted, status, ejected):
    outlier(shop, "v3", **counted)
    path = f"/counted/{family}/{status}/{next(_numbers)}"
    assert flags(shop, family, path, headers=[["x-play", f"v3-1: {status}"]]) == ["-", "-", *(["UH"] if ejected else ["-"]) * 2]
    shop.apply(rule([to("v3")]))
    assert statuses(ask(shop, family)) == {200: 1}


@pytest.mark.parametrize("times", [{"baseEjectionTime": "3s", "interval": "0.1s"}, {"baseEjectionTime": "1s", "interval": "3s"}],
                         ids=["baseEjectionTime", "interval"])
def test_an_ejected_pod_is_asked_again_when_its_time_and_the_interval_are_over(shop, family, times):
    outlier(shop, "v3", consecutive5xxErrors=1, **times)
    began = time.monotonic()
    assert [one["status"] for one in ask(shop, family, 2, [["x-play", "v3-1: 500"]], at_once=1)] == [500, 503]
    wait_until(lambda: statuses(ask(shop, family)) == {200: 1}, "the pod is asked again")
    assert time.monotonic() - began >= 3


@pytest.mark.parametrize("balancer, in_turn", [("PASSTHROUGH", False), ("ROUND_ROBIN", True)])
def test_passthrough_takes_any_pod_and_none_in_turn(shop, family, balancer, in_turn):
    shop.apply(rule([to("v2")], loadBalancer={"simple": balancer}))
    reached = pods(ask(shop, family, 60, at_once=1))
    assert len(set(reached)) == V2_PODS
    assert all(one == two for one, two in zip(reached, reached[V2_PODS:], strict=False)) == in_turn, reached


@pytest.mark.parametrize("ignore, hidden", [({}, True), ({"retryIgnorePreviousHosts": True}, True),
                                            ({"retryIgnorePreviousHosts": False}, False)], ids=["absent", "true", "false"])
def test_a_retry_may_go_to_the_same_host_only_where_the_rule_lets_it(shop, family, ignore, hidden):
    retries = {"attempts": 1, "retryOn": "5xx", "backoff": "1ms", **ignore}
    shop.apply(rule([to("v2", retries=retries)], loadBalancer={"simple": "RANDOM"}))
    counts = statuses(ask(shop, family, 300, [["x-play", "v2-1: 500"]]))
    assert set(counts) == ({200} if hidden else {200, 500}), counts


VERSIONS = {"HTTP/1.1": "--http1.1", "HTTP/2": "--http2-prior-knowledge"}


@pytest.fixture(scope="module")
def named(shop):
    """Services whose ports are named for the other version of HTTP than their servers speak."""
    shop.apply(yaml.safe_dump_all([
        dual("named-http", {"app": "servers"}, [{"name": "http", "port": 80, "targetPort": PORTS["http2"]}]),
        dual("named-http2", {"app": "servers"}, [{"name": "http2", "port": 80, "targetPort": PORTS["http"]}])]))
    for name in ("named-http", "named-http2"):
        shop.apply(rules_of(name, [{"route": [{"destination": {"host": name}}], "retries": NEVER}]))


# And the versions of HTTP in which a client is understood there.
@pytest.mark.parametrize("service, http, understood", [
    ("named-http", {"h2UpgradePolicy": "DO_NOT_UPGRADE"}, []),
    ("named-http", {"h2UpgradePolicy": "UPGRADE"}, ["HTTP/1.1", "HTTP/2"]),
    ("named-http", {"useClientProtocol": True}, ["HTTP/2"]),
    ("named-http2", {"useClientProtocol": False}, []),
    ("named-http2", {"useClientProtocol": True}, ["HTTP/1.1"])],
    ids=["as-named", "upgrade", "as-client", "http2-as-named", "http2-as-client"])
def test_a_rule_says_in_which_http_its_destination_is_spoken_to(shop, family, named, service, http, understood):
    shop.apply(policy_of(service, connectionPool={"http": http}))

    def status(version):
        return shop.exec("shop/web", "curl", "-sS", f"-{family}", VERSIONS[version], "--max-time", "60", "-o", "/dev/null", "-w",
                         "%{http_code}", f"http://{service}/5", check=True).stdout
    told = {version: status(version) for version in VERSIONS}
    assert [version for version in VERSIONS if told[version] == "200"] == understood, told
    assert set(told.values()) <= {"200", "502", "503"}, told


def flags(shop, family, path, count=4, headers=()):
    ask(shop, family, count, headers, at_once=1, path=path)
    lines = wait_until(lambda: (found := logged(shop, path)) if len(found := logged(shop, path)) == count else None, "all lines")
    return [line.partition(" HTTP/1.1\" ")[2].split()[1] for line in lines]


def test_errors_of_the_connection_are_counted_apart_where_the_rule_splits(shop, family):
    many = 1000
    apart = {"splitExternalLocalOriginErrors": True}
    with dead(shop, "v3-1"):
        outlier(shop, "v3", **apart, consecutiveLocalOriginFailures=2, consecutive5xxErrors=many)
        assert flags(shop, family, f"/apart/{family}/local") == ["UF", "UF", "UH", "UH"]
        outlier(shop, "v3", **apart, consecutiveLocalOriginFailures=many, consecutive5xxErrors=2)
        assert flags(shop, family, f"/apart/{family}/server") == ["UF"] * 4
        outlier(shop, "v3", consecutive5xxErrors=2)
        assert flags(shop, family, f"/apart/{family}/together") == ["UF", "UF", "UH", "UH"]
    fails = [["x-play", "v3-1: 500"]]
    outlier(shop, "v3", **apart, consecutiveLocalOriginFailures=2, consecutive5xxErrors=many)
    assert statuses(ask(shop, family, 4, fails, at_once=1)) == {500: 4}
    outlier(shop, "v3", **apart, consecutiveLocalOriginFailures=many, consecutive5xxErrors=2)
    assert statuses(ask(shop, family, 4, fails, at_once=1)) == {500: 2, 503: 2}
    shop.apply(rule([to("v3")]))
    assert statuses(ask(shop, family)) == {200: 1}
