"""What a real waypoint does when servers or clients fail: retries, mirrors, breakers, ejection; over both address families."""
import collections
import contextlib
import hashlib
import json
import os
import signal
import subprocess
import threading
import time

import pytest

import dead_envoy
import limited_envoy
from chance import drawn
from proof_lab import V2_PODS, WAYPOINT, ask, local, logged, memory_kib, pods, process_of, rule, to, told
from waypoint_lab import wait_until

COPIES, COPY_BYTES = 1_000, 64 * 1024
MIRRORS_KIB = 32 * 1024  # bytes that wait for mirrors, together: docs/defaults.md
SLACK_KIB = 32 * 1024  # connections, and what an allocator keeps
ASKED = 300
CONNECTIONS, WAITING = 100, 20
LOOK_S = 0.02
QUIET_S = 1  # without another copy of a request: there are none under way
V2_FAILS = [["x-play", "v2-.: 500"]]


def pair(**more):
    return to("pair", **more)  # three pods of v1 and three of v2


def statuses(answers):
    return collections.Counter(one.get("status", one.get("error")) for one in answers)


@pytest.mark.parametrize("retries", [{"attempts": 0}, {"attempts": 3, "retryOn": "gateway-error"}])
def test_without_retries_on_it_half_fail_when_one_of_two_versions_does(shop, family, retries):
    shop.apply(rule([pair(retries=retries)], loadBalancer={"simple": "RANDOM"}))
    drawn(lambda: statuses(ask(shop, family, ASKED, V2_FAILS)), {200: .5, 500: .5})


def test_three_attempts_hide_a_version_that_always_fails_and_each_try_tells_its_number(shop, family):
    shop.apply(rule([pair(retries={"attempts": 3, "retryOn": "5xx"})], loadBalancer={"simple": "RANDOM"}))
    answers = ask(shop, family, ASKED, V2_FAILS)
    assert all(one.startswith("v1") for one in pods(answers))
    failed = collections.defaultdict(set)
    for i in range(1, V2_PODS + 1):
        for request_id, attempt in local(shop, f"v2-{i}", "/_tries"):
            failed[request_id].add(int(attempt))
    last = {}
    for one in answers:
        headers = dict(json.loads(one["body"])["headers"])
        last[headers["x-request-id"]] = int(headers["x-envoy-attempt-count"])
    assert len(last) == ASKED and sum(attempt > 1 for attempt in last.values()) > ASKED / 4
    assert all(failed[one] == set(range(1, attempt)) for one, attempt in last.items())


@contextlib.contextmanager
def dead(shop, *names):
    """These pods' processes are gone inside `with`, and answer again behind it."""
    for name in names:
        shop.kill(f"shop/{name}", hold=True)
    try:
        yield
    finally:
        for name in names:
            shop.restart(f"shop/{name}")
        for name in names:
            wait_until(lambda: shop.curl(f"shop/{name}", "http://localhost:8080/_held")[0] == 0, f"{name} is back", 60)


@pytest.fixture(scope="module")
def by_envoy():
    """Where all are dead: the last attempt's failure, or, where they have been ejected, that there is nobody to ask."""
    told = dead_envoy.told()
    assert told == {"plain": ("503", {"UF", "URX"}), "ejecting": ("503", {"UH"})}
    return told


def test_with_both_versions_dead_it_is_told_within_the_routes_time_as_by_envoy(shop, family, by_envoy):
    path = f"/dead/{family}"
    retries = {"attempts": 2 * V2_PODS, "retryOn": "5xx,connect-failure", "backoff": "1ms"}
    outlier = {"consecutive5xxErrors": 1, "maxEjectionPercent": 100}
    both = [f"v{version}-{i}" for version in (1, 2) for i in range(1, V2_PODS + 1)]
    with dead(shop, *both):
        for policy, (status, flags) in (({}, by_envoy["plain"]), ({"outlierDetection": outlier}, by_envoy["ejecting"])):
            shop.apply(rule([pair(timeout="10s", retries=retries)], **policy))
            answer, = ask(shop, family, path=path)
            assert answer["status"] == 503 and answer["seconds"] < 10

            def said(status=status, flags=flags):
                words = [line.partition(' HTTP/1.1" ')[2].split() for line in logged(shop, path)]
                return any((one[0], set(one[1].split(","))) == (status, flags) for one in words)
            wait_until(said, f"a line with {status} {flags}")
    shop.apply(rule([pair()]))
    assert statuses(ask(shop, family, 6)) == {200: 6}


def test_every_body_is_mirrored_once_and_only_the_destination_answers(shop, family):
    shop.apply(rule([to("v1", mirror={"host": "reviews", "subset": "v2"})]))
    before = told(shop, "v2")
    reached = pods(ask(shop, family, COPIES, method="POST", body_bytes=COPY_BYTES, at_once=4))
    assert len(reached) == COPIES and all(one.startswith("v1") for one in reached)
    wait_until(lambda: sum((told(shop, "v2") - before).values()) >= COPIES, "the last copies", 120)
    (words, copies), = (told(shop, "v2") - before).items()
    host, size, digest = words.split()
    assert host == "reviews-shadow" and int(size) == COPY_BYTES and copies == COPIES
    assert digest == hashlib.sha256(b"x" * COPY_BYTES).hexdigest()


def settled(shop, version):
    """What pods of the version have received of mirrors, once nothing more comes."""
    seen = []

    def still():
        seen.append(sum(count for words, count in told(shop, version).items() if words.startswith("reviews-shadow ")))
        if len(seen) > 1 and seen[-1] == seen[-2]:
            return True
        return time.sleep(QUIET_S)
    wait_until(still, "the last copies", 120)
    return seen[-1]


@pytest.mark.parametrize("mirrored, always", [
    ({"mirrors": [{"destination": {"host": "reviews", "subset": "v2"}, "percentage": {"value": 20}},
                  {"destination": {"host": "reviews", "subset": "v3"}, "percentage": {"value": 100}}]}, COPIES),
    ({"mirror": {"host": "reviews", "subset": "v2"}, "mirrorPercentage": {"value": 20}}, 0)], ids=["mirrors", "mirrorPercentage"])
def test_each_of_several_mirrors_gets_its_share(shop, family, mirrored, always):
    shop.apply(rule([to("v1", **mirrored)]))

    def draw():
        before = {version: settled(shop, version) for version in ("v2", "v3")}
        assert all(one.startswith("v1") for one in pods(ask(shop, family, COPIES)))
        assert settled(shop, "v3") - before["v3"] == always
        copies = settled(shop, "v2") - before["v2"]
        return {"copied": copies, "not": COPIES - copies}
    drawn(draw, {"copied": .2, "not": .8})


class Held:
    """Requests that v3's pod keeps until release()."""

    def __init__(self, shop, family, count):
        self.shop, self.before = shop, local(shop, "v3-1", "/_held")["held"]
        self.process = shop.popen("shop/web", "/usr/bin/python3", "-c", HOLD, str(family), str(count), stdin=subprocess.PIPE)
        self.wait(count)

    def wait(self, count):
        seen = []

        def held():
            seen.append(local(self.shop, "v3-1", "/_held")["held"] - self.before)
            return seen[-1] == count
        try:
            wait_until(held, "the requests are held")
        except AssertionError as late:
            raise AssertionError(f"{late}: {seen[-1]} of {count}; {logged(self.shop, '/held')[-3:]}") from late

    def release(self):
        """The statuses that they were answered with."""
        local(self.shop, "v3-1", "/_release")
        return json.loads(self.process.communicate(timeout=60)[0])


HOLD = """
import json, socket, sys
family = {"4": socket.AF_INET, "6": socket.AF_INET6}[sys.argv[1]]
to = socket.getaddrinfo("reviews", 80, family=family, type=socket.SOCK_STREAM)[0][4]
links = []
for _ in range(int(sys.argv[2])):
    links.append(socket.create_connection(to[:2], 60))
    links[-1].sendall(b"GET /held HTTP/1.1\\r\\nHost: reviews\\r\\nx-play: v3-1: hold\\r\\n\\r\\n")
print(json.dumps([int(link.recv(65536).split()[1]) for link in links]))
"""


@pytest.mark.parametrize("limits, more_limits, may_wait", [
    ({"http": {"http2MaxRequests": CONNECTIONS}}, {}, 0),
    ({"tcp": {"maxConnections": CONNECTIONS}}, {"http": {"http1MaxPendingRequests": 1}}, 1)])
def test_what_is_beyond_a_hundred_is_told_at_once(shop, family, limits, more_limits, may_wait):
    path = f"/over/{family}/{may_wait}"
    shop.apply(rule([to("v3", retries={"attempts": 0})], connectionPool=limits))
    held = Held(shop, family, CONNECTIONS)
    # Only now: one that waits for a connection of its own counts as waiting too.
    shop.apply(rule([to("v3", retries={"attempts": 0})], connectionPool={**limits, **more_limits}))
    answers = []
    more = threading.Thread(target=lambda: answers.extend(ask(shop, family, 1 + may_wait, path=path)))
    more.start()
    wait_until(lambda: any(" 503 UO " in line for line in logged(shop, path)), "one too many")
    assert held.release() == [200] * CONNECTIONS
    more.join()
    assert statuses(answers) == collections.Counter([503] + [200] * may_wait)
    refused = next(one for one in answers if one["status"] == 503)
    assert dict(refused["headers"])["x-envoy-overloaded"] == "true"
    wait_until(lambda: len(logged(shop, path)) == 1 + may_wait, "a line for each")


@pytest.fixture(scope="module")
def refused_by_envoy():
    return limited_envoy.told()


@pytest.mark.parametrize("limit, pool", [
    ("waiting", {"tcp": {"maxConnections": 1}, "http": {"http1MaxPendingRequests": 1}}), ("requests", {"http": {"http2MaxRequests": 1}})])
def test_of_several_as_many_are_refused_as_by_envoy(shop, family, refused_by_envoy, limit, pool):
    path, (_, may_wait) = f"/few/{family}/{limit}", limited_envoy.LIMITS[limit]
    shop.apply(rule([to("v3", retries={"attempts": 0})], connectionPool=pool))
    held, answers = Held(shop, family, 1), []
    more = threading.Thread(target=lambda: answers.extend(ask(shop, family, 1 + may_wait, path=path)))
    more.start()
    wait_until(lambda: any(" 503 UO " in line for line in logged(shop, path)), "one too many")
    released = held.release()
    more.join()
    lines = wait_until(lambda: found if len(found := logged(shop, path)) == 1 + may_wait else None, "a line for each")
    told = sorted([f"{status} -" for status in released] + [" ".join(line.partition(' HTTP/1.1" ')[2].split()[:2]) for line in lines])
    overloaded = [dict(one["headers"]).get("x-envoy-overloaded") for one in answers if one["status"] == 503]
    assert (told, overloaded) == refused_by_envoy[limit]
    assert overloaded == ["true"]


def test_beyond_a_hundred_connections_requests_wait_and_only_a_bound_on_those_that_wait_refuses_one(shop, family):
    path = f"/hundred/{family}"
    limits = {"tcp": {"maxConnections": CONNECTIONS}}

    def connections():
        return len(shop.exec("shop/v3-1", "ss", "-Htn", "state", "established", "( sport = :8080 )", check=True).stdout.splitlines())
    shop.apply(rule([to("v3", retries={"attempts": 0})], connectionPool=limits))
    held = Held(shop, family, CONNECTIONS)
    wait_until(lambda: connections() == CONNECTIONS, "a connection for each")
    # maxConnections refuses nobody: what finds no connection waits for one, as many as there are.
    answers = []
    more = threading.Thread(target=lambda: answers.extend(ask(shop, family, WAITING, path=path, at_once=WAITING)))
    more.start()
    time.sleep(QUIET_S)
    assert more.is_alive() and not logged(shop, path) and connections() == CONNECTIONS
    # With http1MaxPendingRequests, which those that wait fill already, one more is told at once.
    shop.apply(rule([to("v3", retries={"attempts": 0})], connectionPool={**limits, "http": {"http1MaxPendingRequests": 1}}))
    refused, = ask(shop, family, path=f"{path}/refused")
    assert refused["status"] == 503 and dict(refused["headers"])["x-envoy-overloaded"] == "true"
    wait_until(lambda: any(" 503 UO " in line for line in logged(shop, f"{path}/refused")), "its line")
    assert more.is_alive()
    assert held.release() == [200] * CONNECTIONS
    more.join()
    assert statuses(answers) == {200: WAITING}


def test_a_connection_takes_exactly_as_many_requests_as_the_rule_says(shop, family):
    shop.apply(rule([to("v3")], connectionPool={"http": {"maxRequestsPerConnection": 10}}))
    nth = [json.loads(one["body"])["nth"] for one in ask(shop, family, 60, at_once=1)]
    first = nth.index(1)  # of a connection that this rule made
    assert nth[first:] == [i % 10 + 1 for i in range(60 - first)] and first <= 10


def test_a_pod_with_seven_errors_in_a_row_is_left_out_and_never_too_many(shop, family):
    outlier = {"consecutive5xxErrors": 7, "interval": "1s", "baseEjectionTime": "900s", "maxEjectionPercent": 34}
    shop.apply(rule([to("v2")]))
    assert statuses(ask(shop, family)) == {200: 1}  # and forgets who was ejected before
    shop.apply(rule([to("v2", retries={"attempts": 0})], outlierDetection=outlier))
    answers = ask(shop, family, 60, [["x-play", "v2-2: 500"]], at_once=1)
    assert statuses(answers) == {200: 53, 500: 7}
    # All fail now: of three only one may be ejected.
    assert statuses(ask(shop, family, 30, V2_FAILS, at_once=1)) == {500: 30}


GO = """
import json, socket, struct, sys
family = {"4": socket.AF_INET, "6": socket.AF_INET6}[sys.argv[1]]
to = socket.getaddrinfo("reviews", 80, family=family, type=socket.SOCK_STREAM)[0][4]
link = socket.create_connection(to[:2], 60)
link.sendall(f"GET {sys.argv[2]} HTTP/1.1\\r\\nHost: reviews\\r\\nx-play: {sys.argv[3]}\\r\\n\\r\\n".encode())
sys.stdin.readline()
if sys.argv[4] == "reset":
    link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
link.close()
"""


@pytest.mark.parametrize("how", ["reset", "end"])
def test_a_client_that_goes_away_cancels_its_attempt_and_all_retries(shop, family, how):
    retries = {"attempts": 50, "perTryTimeout": "1s", "retryOn": "5xx", "backoff": "25ms"}
    shop.apply(rule([to("v3", retries=retries)]))
    path = f"/gone/{family}/{how}"
    gone, tries = local(shop, "v3-1", "/_held")["gone"], len(local(shop, "v3-1", "/_tries"))
    client = shop.popen("shop/web", "/usr/bin/python3", "-c", GO, family, path, "v3-1: hold", how, stdin=subprocess.PIPE)
    wait_until(lambda: len(local(shop, "v3-1", "/_tries")) >= tries + 2, "a second attempt")
    client.communicate("go\n", timeout=60)
    line, = wait_until(lambda: logged(shop, path), "the log's line")
    made = int(line.rpartition(" ")[2])  # attempts, by the log: the last of them may not have come to the server

    def over():
        held = local(shop, "v3-1", "/_held")
        return held["held"] == 0 and held["gone"] - gone == len(local(shop, "v3-1", "/_tries")) - tries
    wait_until(over, "no attempt is left at the server")
    time.sleep(1.5)  # longer than a try and the wait behind it
    assert made - 1 <= len(local(shop, "v3-1", "/_tries")) - tries <= made, line
    assert " 0 DC " in line or " 0 DR " in line, line
    assert local(shop, "v3-1", "/_held")["held"] == 0


class Memory:
    """The most that a process had in memory while inside `with`."""

    def __init__(self, pid):
        self.pid, self.most, self.over = pid, 0, threading.Event()
        self.thread = threading.Thread(target=self.look)

    def look(self):
        while not self.over.wait(LOOK_S):
            self.most = max(self.most, memory_kib(self.pid))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


# The last one: mirrors that nobody answers keep their places in the cluster until their time is up.
def test_a_mirror_that_fails_stalls_or_is_dead_changes_nothing_and_costs_a_bounded_memory(shop, family):
    shop.apply(rule([to("v1", mirror={"host": "reviews", "subset": "v3"})]))

    def post(count=COPIES, headers=()):
        answers = ask(shop, family, count, headers, method="POST", body_bytes=COPY_BYTES, at_once=4)
        assert all(one.startswith("v1") for one in pods(answers)) and max(one["seconds"] for one in answers) < 10
    post(100)
    waypoint, mirror = process_of(shop, WAYPOINT), process_of(shop, "shop/v3-1")
    bound = memory_kib(waypoint) + MIRRORS_KIB + SLACK_KIB
    with Memory(waypoint) as memory:
        post(COPIES, [["x-play", "v3-1: 500"]])
    assert 0 < memory.most < bound, "it fails"
    os.kill(mirror, signal.SIGSTOP)  # takes what its socket holds, and reads nothing of it
    try:
        with Memory(waypoint) as memory:
            post()
        assert 0 < memory.most < bound, "it stalls"
    finally:
        os.kill(mirror, signal.SIGCONT)
    with dead(shop, "v3-1"), Memory(waypoint) as memory:
        post()
    assert 0 < memory.most < bound, "it is dead"
