"""Replicas of a waypoint come, go and are replaced under load: many connections of HTTP/1.1 and HTTP/2, both address families."""
import json
import os
import subprocess

import pytest

from flows import NODES, client_pod, meshed
from lab import APPS, REPO, Lab, culvert

CLIENT = REPO / "tests/e2e/waypoint/load_client.py"
SERVER = REPO / "tests/conformance/grpc_server.py"
WORLD = NODES + meshed("shop") + client_pod("shop", "client", "east") + f"""---
apiVersion: v1
kind: Pod
metadata: {{name: web, namespace: shop, labels: {{app: web}}}}
spec:
  nodeName: west
  serviceAccountName: web
  containers:
  - {{name: http, command: [python3, {APPS}/http_echo.py, "8080"], ports: [{{containerPort: 8080}}]}}
  - {{name: calls, command: [/usr/bin/python3, {SERVER}, calls, "8083"], ports: [{{containerPort: 8083}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: web, namespace: shop}}
spec: {{ipFamilyPolicy: PreferDualStack, selector: {{app: web}}, ports: [{{name: http, port: 8080}}, {{name: grpc, port: 8083}}]}}
"""
# No attempt is made again by the waypoint, which could hide one that failed.
RULE = """---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: shop}
spec: {hosts: [web], http: [{route: [{destination: {host: web}}], retries: {attempts: 0}}]}
"""
LEAST = 50  # of each kind


@pytest.fixture
def lab():
    with Lab(f"proof-load-{os.getpid()}", WORLD + RULE) as made:
        yield made


class Load:
    """Under way inside `with`; `told` behind it."""

    def __init__(self, lab):
        self.process = lab.popen("shop/client", "/usr/bin/python3", CLIENT, "web", "8080", "web", "8083", stdin=subprocess.PIPE)

    def __enter__(self):
        assert self.process.stdout.readline() == "asking\n"
        return self

    def __exit__(self, failed, *_):
        if failed:
            self.process.kill()
        out, _ = self.process.communicate("enough\n" if not failed else None, timeout=120)
        self.told = None if failed else json.loads(out)


def test_replicas_come_and_go_and_are_replaced_without_a_failed_request(lab):
    def replicas(count):
        culvert("waypoint", "apply", "--name", lab.name, "-n", "shop", "--enroll-namespace", "--replicas", str(count))
        one, = json.loads(culvert("waypoint", "list", "--name", lab.name, "-o", "json").stdout)
        assert len(one["pods"]) == count
        return [pod["name"] for pod in one["pods"]]
    replicas(1)
    with Load(lab) as load:
        replicas(3)
        lab.restart("waypoint", "shop/waypoint")
        assert replicas(1) == ["waypoint-1"]
        before = lab.pod("shop/waypoint-1")["processes"][0]["pid"]
        lab.restart("shop/waypoint-1")  # by the pod's name; it is the only one
        assert lab.pod("shop/waypoint-1")["processes"][0]["pid"] != before
    told = load.told
    assert not told["failed"], (told["failed"][:5], len(told["failed"]), told["answered"])
    assert min(told["answered"].values()) > LEAST and set(told["answered"]) == {"ask", "call"}, told
    assert told["opened"]["ask"] > 8, "they moved over"
