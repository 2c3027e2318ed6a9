"""Clients that are too slow for a real waypoint, and those that are only slow; what its drain cuts. Told by the client, the log and the server."""
import json
import os
import re
import subprocess

import pytest

from flows import NODES, client_pod, meshed
from lab import APPS, BUILD, REPO, Lab, wait_until
from slow_client import NEVER_READ, SLOWLY_READ

WAYPOINT = "shop/waypoint-1"
TIME_S, DRAIN_S = 3, 2
SLOW = REPO / "tests/e2e/waypoint/slow_client.py"
WORLD = NODES + meshed("shop") + client_pod("shop", "client", "east") + f"""---
apiVersion: v1
kind: Pod
metadata: {{name: web, namespace: shop, labels: {{app: web}}}}
spec:
  nodeName: west
  serviceAccountName: web
  containers: [{{name: http, command: [python3, {APPS}/http_echo.py, "8080"], ports: [{{containerPort: 8080}}]}}]
---
apiVersion: v1
kind: Service
metadata: {{name: web, namespace: shop, labels: {{istio.io/use-waypoint: waypoint}}}}
spec: {{ipFamilyPolicy: PreferDualStack, selector: {{app: web}}, ports: [{{name: http, port: 8080}}]}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: waypoint, namespace: shop}}
spec: {{gatewayClassName: culvert-waypoint, listeners: [{{name: mesh, port: 15008, protocol: HBONE}}]}}
"""
FLAGS = [f"--waypoint-flag=--{name}={seconds}s" for name, seconds in
         (("request-head-timeout", TIME_S), ("stream-idle-timeout", TIME_S), ("drain-time", DRAIN_S))]
# Status, flags and details in the log of requests.
LINES = {"half-head": "408 - the_request_did_not_come_in_time", "half-body": "408 SI stream_idle_timeout",
         "no-read": "200 SI stream_idle_timeout", "slow-body": "200 - via_upstream", "slow-read": "200 - via_upstream"}


@pytest.fixture(scope="module")
def lab():
    with Lab(f"proof-slow-{os.getpid()}", WORLD, flags=FLAGS) as made:
        yield made


def logged(lab, version, how):
    """"STATUS FLAGS DETAILS" of each request."""
    path = {"no-read": f"/bytes/{NEVER_READ}", "slow-read": f"/bytes/{SLOWLY_READ}"}.get(how, f"/{how}")
    what = "- -" if how == "half-head" else rf"\w+ {path}"
    return re.findall(rf'"{what} HTTP/{version}\S*" (\S+ \S+ \S+)', lab.logs(WAYPOINT))


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("version", ["1", "2"], ids=["HTTP/1.1", "HTTP/2"])
def test_who_is_too_slow_is_told_or_cut_and_who_is_only_slow_is_served(lab, family, version):
    before = {how: len(logged(lab, version, how)) for how in LINES}
    clients = {how: lab.popen("shop/client", "/usr/bin/python3", SLOW, "web", "8080", family, version, how, stdin=subprocess.PIPE)
               for how in LINES}
    lines = {how: wait_until(lambda how=how: logged(lab, version, how)[before[how]:], f"a line of {how}", 120) for how in LINES}
    told = {how: json.loads(client.communicate("read\n", timeout=120)[0]) for how, client in clients.items()}
    assert lines == {how: [line] for how, line in LINES.items()}, told
    assert {how: one["status"] for how, one in told.items()} == {how: int(line.split()[0]) for how, line in LINES.items()}
    assert told["no-read"]["broken"] and told["no-read"]["bytes"] < NEVER_READ, told
    assert not told["slow-read"]["broken"] and told["slow-read"]["bytes"] == SLOWLY_READ, told


def test_a_drain_cuts_what_is_still_under_way_and_says_so(lab):
    client = lab.popen("shop/client", "curl", "-sS", "--max-time", "60", "-o", "/dev/null", "-w", "%{http_code}",
                       "http://web:8080/sleep/40", stderr=subprocess.DEVNULL)
    wait_until(lambda: lab.exec("shop/web", "ss", "-Htn", "state", "established", "( sport = :8080 )").stdout, "the request is under way")
    lab.exec(WAYPOINT, "curl", "-sS", "-X", "POST", "http://127.0.0.1:15000/quitquitquit", check=True)
    line = wait_until(lambda: re.search(r'"GET /sleep/40 HTTP/1.1" (.*)', lab.logs(WAYPOINT)), "the line")[1]
    client.communicate(timeout=60)
    assert line.split()[1:3] == ["LR", "local_reset"], line


@pytest.mark.parametrize("program, flag, why", [
    ("waypoint", "stream-idle-timeout=0s", "must be more than 0s"),
    ("waypoint", "request-head-timeout=0ms", "must be more than 0s"),
    ("waypoint", "request-head-timeout=-5s", "must be more than 0s"),
    ("waypoint", "stream-idle-timeout=900000h", "at most a hundred years"),
    ("waypoint", "drain-time=-1s", "cannot be less than 0s"),
    ("ztunnel", "drain-time=-1s", "cannot be less than 0s"),
    ("ztunnel", "handover-drain-time=900000h", "at most a hundred years"),
])
def test_a_time_that_would_be_none_is_refused_at_the_start(program, flag, why):
    done = subprocess.run([BUILD / program / f"culvert-{program}", f"--{flag}"], text=True, capture_output=True, timeout=60)
    assert done.returncode != 0
    assert f"--{flag.split('=')[0]}: {why}" in done.stderr
