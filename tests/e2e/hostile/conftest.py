"""One lab for the folder: front/edge serves front/web, shop/waypoint-1 serves shop/web to shop/client."""
import os
import textwrap

import pytest
from abused import memory_of
from flows import front
from lab import APPS, Lab

FACES = ["edge", "mesh"]
FRESH = {}  # bytes of a waypoint's process before anybody asked it anything
RUN = os.getpid()  # two runs on one machine do not share labs


def origin(ns):
    return textwrap.dedent(f"""\
        ---
        apiVersion: v1
        kind: Pod
        metadata: {{name: web, namespace: {ns}, labels: {{app: web}}}}
        spec:
          nodeName: west
          serviceAccountName: web
          containers:
          - name: origin
            command: [python3, {APPS}/raw_origin.py, "8080"]
            ports: [{{containerPort: 8080}}]
        ---
        apiVersion: v1
        kind: Service
        metadata: {{name: web, namespace: {ns}}}
        spec: {{selector: {{app: web}}, ports: [{{name: http, port: 8080}}]}}
        """)


def sleeper(ns, name):
    return textwrap.dedent(f"""\
        ---
        apiVersion: v1
        kind: Pod
        metadata: {{name: {name}, namespace: {ns}}}
        spec: {{nodeName: east, serviceAccountName: {name}, containers: [{{name: c, command: [sleep, "100000"]}}]}}
        """)


WORLD = textwrap.dedent("""\
    apiVersion: v1
    kind: Node
    metadata: {name: east}
    ---
    apiVersion: v1
    kind: Node
    metadata: {name: west}
    ---
    apiVersion: v1
    kind: Namespace
    metadata: {name: shop, labels: {istio.io/dataplane-mode: ambient, istio.io/use-waypoint: waypoint}}
    ---
    apiVersion: v1
    kind: Namespace
    metadata: {name: front, labels: {istio.io/dataplane-mode: ambient}}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: waypoint, namespace: shop}
    spec:
      gatewayClassName: culvert-waypoint
      listeners: [{name: mesh, port: 15008, protocol: HBONE}]
    """) + front("front", "west", "[{route: [{destination: {host: web}}]}]", 8000) + origin("shop") + origin("front") + sleeper("shop", "client") + sleeper("shop", "honest") + \
    sleeper("default", "outside") + sleeper("default", "other")


class Face:
    """A way into a waypoint's HTTP: who asks where, and what may be looked at behind it."""

    def __init__(self, lab, name):
        self.lab, self.name = lab, name
        edge = name == "edge"
        self.client, self.honest = ("default/outside", "default/other") if edge else ("shop/client", "shop/honest")
        self.waypoint, self.origin = ("front/edge", "front/web") if edge else ("shop/waypoint-1", "shop/web")
        self.host, self.port = (lab.ips("front/edge")[0], 8000) if edge else ("web.shop.svc.cluster.local", 8080)
        self.pid = lab.pod(self.waypoint)["processes"][0]["pid"]
        self.fresh = FRESH[self.pid]

    def log(self):
        return self.lab.logs(self.waypoint)

    def came(self):
        """All that the origin was sent."""
        return "".join(line["came"] for line in self.lab.log_lines(self.origin) if "came" in line)

    def get(self, path="/", client=None):
        return self.lab.curl(client or self.honest, f"http://{self.host}:{self.port}{path}", "-o", "/dev/null",
                             "-w", "%{http_code}")


@pytest.fixture(scope="session")
def lab():
    with Lab(f"host-{RUN}", WORLD) as made:
        for pod in ("front/edge", "shop/waypoint-1"):
            pid = made.pod(pod)["processes"][0]["pid"]
            FRESH[pid] = memory_of(pid)
        yield made


def pytest_generate_tests(metafunc):
    """Every test of `face` at both, unless its module names those that suffice without --long."""
    if "face" in metafunc.fixturenames:
        quick = getattr(metafunc.module, "QUICK_FACES", FACES)
        metafunc.parametrize("face", FACES if metafunc.config.getoption("long") else quick, indirect=True, scope="session")


@pytest.fixture(scope="session")
def face(request, lab):
    return Face(lab, request.param)


@pytest.fixture(scope="session")
def edge(lab):
    return Face(lab, "edge")


@pytest.fixture(scope="session")
def mesh(lab):
    return Face(lab, "mesh")
