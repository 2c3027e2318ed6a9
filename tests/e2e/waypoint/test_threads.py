"""All that crosses from one thread of a waypoint to another, at once, with several data threads: rules that change, what
administrators and `culvert tap` ask, requests of both kinds over both address families, a replica that is replaced. A race fails
it where the waypoint is built with ThreadSanitizer (stage "threads" of tests/run), an error of memory where it is built with
AddressSanitizer; with any build no request fails."""
import concurrent.futures
import os

import pytest

from lab import Lab, culvert
from test_replaced_under_load import LEAST, WORLD, Load
from test_requests_told import Tap, waypoint_pod

pytestmark = [pytest.mark.threads, pytest.mark.sanitized]
ROUNDS, AT_ONCE = 3, 24
PAGES = [("GET", "15000/config_dump"), ("GET", "15000/logging"), ("GET", "15020/metrics"), ("GET", "15021/healthz/ready"),
         ("POST", "15000/logging?level=debug"), ("POST", "15000/logging?level=info")]
BUSY = "503"  # the loop did not get to the question in time: so it may be on a loaded machine
RULE = """---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: shop}
spec:
  hosts: [web]
  http:
  - name: round-%d
    headers: {request: {set: {x-round: "%d"}}}
    route: [{destination: {host: web}}]
    retries: {attempts: 0}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web, namespace: shop}
spec: {host: web, trafficPolicy: {connectionPool: {tcp: {maxConnections: %d}}, outlierDetection: {consecutive5xxErrors: 50}}}
"""


@pytest.fixture
def lab():
    with Lab(f"way-threads-{os.getpid()}", WORLD, flags=["--waypoint-flag=--workers=3"]) as made:
        culvert("waypoint", "apply", "--name", made.name, "-n", "shop", "--enroll-namespace")
        yield made


def statuses(lab, pod, page):
    method, path = page
    done = lab.exec(pod, "curl", "-sS", "-m", "120", "-Z", "--parallel-max", "4", "-X", method, "-o", "/dev/null",
                    "-w", "%{http_code}\\n", f"http://127.0.0.1:{path}#[1-{AT_ONCE}]", check=True, timeout=600)
    return set(done.stdout.split())


def administrators(pool, lab, pod, number):
    """Everybody asks everything while rules change."""
    answers = {page: pool.submit(statuses, lab, pod, page) for page in PAGES}
    lab.apply(RULE % (number, number, 1000 + number))
    for page, answer in answers.items():
        assert "200" in answer.result() and answer.result() <= {"200", BUSY}, (page, answer.result())


def test_nothing_races_in_a_waypoint_while_everything_changes(lab):
    pod = waypoint_pod(lab)
    with Load(lab) as load, concurrent.futures.ThreadPoolExecutor(max_workers=8) as pool:
        taps = [Tap(lab, "shop/web", "--count", str(LEAST)) for _ in range(2)]
        for number in range(ROUNDS):
            administrators(pool, lab, pod, number)
        assert [len(tap.lines()) >= LEAST for tap in taps] == [True, True]
        lab.restart("waypoint", "shop/waypoint")
        administrators(pool, lab, waypoint_pod(lab), ROUNDS)
    told = load.told
    assert not told["failed"], (len(told["failed"]), told["answered"], told["failed"][:5])
    assert min(told["answered"].values()) > LEAST and set(told["answered"]) == {"ask", "call"}, told
