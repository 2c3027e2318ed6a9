"""The lab of the waypoint's figures: one client, and the same origin by four ways: without a mesh, through ztunnels
only, and through ztunnels with a waypoint on a node of its own between them: ours, or Envoy in its place.
"""
import contextlib
import pathlib

import waypoint_envoy
from labs import BENCH, PORT, SLEEP, Failed, Lab, pod
from ways import SECOND, Way

RULED = ("culvert", "envoy")  # the ways with a waypoint
ALL = ("direct", "ztunnels", *RULED)
MANY = 1000  # routes that the host "many", also of our waypoint, has
SUBSETS = {"v1": 90, "v2": 10}  # version -> its weight
PORTS = {"http": 80, "http2": 81, "grpc": 82}  # what a connection speaks -> the services' port, whose name says it
# culvert-bench's flags for each: 32 requests at once.
SPOKEN = {"http": ("--connections", 32), "http2": ("--connections", 4, "--streams", 8),
          "grpc": ("--connections", 4, "--streams", 8, "--grpc")}
WAYPOINTS = {"culvert": "waypoint", "many": "waypoint", "envoy": "stand-in"}  # their Services
STAND_IN = f"mesh/{WAYPOINTS['envoy']}"
OURS = "mesh/waypoint-1"
NODES = "".join(f"---\napiVersion: v1\nkind: Node\nmetadata: {{name: {name}}}\n" for name in ("east", "middle", "west"))
MESH = f"""---
apiVersion: v1
kind: Namespace
metadata: {{name: mesh, labels: {{istio.io/dataplane-mode: ambient}}}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: {WAYPOINTS["culvert"]}, namespace: mesh}}
spec: {{gatewayClassName: culvert-waypoint, listeners: [{{name: mesh, port: 15008, protocol: HBONE}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: {WAYPOINTS["envoy"]}, namespace: mesh}}
spec: {{selector: {{app: {WAYPOINTS["envoy"]}}}, ports: [{{name: mesh, port: 15008}}]}}
---
apiVersion: v1
kind: Pod
metadata: {{name: {WAYPOINTS["envoy"]}, namespace: mesh, labels: {{app: {WAYPOINTS["envoy"]}, istio.io/dataplane-mode: none}}}}
spec:
  nodeName: middle
  serviceAccountName: {WAYPOINTS["envoy"]}
  containers: [{{name: c, command: [sleep, "1000000"]}}]
"""


def origin(ns, way, version):
    return f"""---
apiVersion: v1
kind: Pod
metadata: {{name: {way}-{version}, namespace: {ns}, labels: {{app: {way}, version: {version}}}}}
spec:
  nodeName: west
  serviceAccountName: origin
  containers: [{{name: c, command: [{BENCH}, serve, "{PORT}"], ports: [{{containerPort: {PORT}}}]}}]
"""


def service(way):
    ports = "".join(f"\n  - {{name: {word}, port: {port}, targetPort: {PORT}}}" for word, port in PORTS.items())
    label = f", labels: {{istio.io/use-waypoint: {WAYPOINTS[way]}}}" if way in WAYPOINTS else ""
    return f"""---
apiVersion: v1
kind: Service
metadata: {{name: {way}, namespace: mesh{label}}}
spec:
  selector: {{app: {way}}}
  ports:{ports}
"""


def other_prefix(number):
    """What the routes before the last one match."""
    return f"/other-{number:04}/"


def rules(host="culvert", others=1):
    """What our waypoint is told, and Envoy has in its configuration: `others` routes that no load asks for, then the
    one by weights."""
    def other(number):
        return (f"\n  - {{match: [{{uri: {{prefix: {other_prefix(number)}}}}}], "
                f"route: [{{destination: {{host: {host}, subset: v2}}}}]}}")
    shares = ", ".join(f"{{destination: {{host: {host}, subset: {name}}}, weight: {share}}}" for name, share in SUBSETS.items())
    subsets = ", ".join(f"{{name: {name}, labels: {{version: {name}}}}}" for name in SUBSETS)
    return f"""---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: {host}, namespace: mesh}}
spec: {{host: {host}, subsets: [{subsets}]}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: {host}, namespace: mesh}}
spec:
  hosts: [{host}]
  http:{"".join(map(other, range(others)))}
  - {{route: [{shares}]}}
"""


def changing_rule(status):
    """One more route of the same host, before all others: an object of its own, which answers itself."""
    return f"""apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: a-first, namespace: mesh}}
spec:
  hosts: [culvert]
  http: [{{match: [{{uri: {{prefix: /changing/}}}}], directResponse: {{status: {status}}}}}]
"""


def world(ways=ALL, others=1):
    """The manifest. Who is not measured is not started. `others` says how many more routes each way with rules has."""
    served = [way for way in ways if way != "direct"]
    out = NODES + MESH + pod("mesh", "client", "east", SLEEP) + pod("mesh", "second", "east", SLEEP, account="client")
    out += pod("outside", "client", "east", SLEEP)
    out += "".join(service(way) + "".join(origin("mesh", way, version) for version in SUBSETS) for way in served)
    if "direct" in ways:
        out += origin("outside", "direct", "v1")
    if "many" in ways:
        out += rules("many", MANY - 1)
    return out + (rules("culvert", others) if "culvert" in ways else "")


class Served(Way):
    """A way of this lab; `pids` is the waypoint's process."""

    def __init__(self, name, lab, pids=()):
        self.name, self.lab, self.pids = name, lab, list(pids)
        if name == "direct":
            self.targets = {word: f"{lab.ip('outside/direct-v1')}:{PORT}" for word in PORTS}
        else:
            vip = lab.vip(f"mesh/{name}")
            self.targets = {word: f"{vip}:{port}" for word, port in PORTS.items()}

    def client(self, path):
        return "outside/client" if self.name == "direct" else "mesh/client"

    def holders(self, path):
        return [self.client(path)] if self.name == "direct" else [self.client(path), SECOND]

    def run(self, path, word, *flags, timeout=120):
        # The same comparison by every way: it takes the same time.
        return super().run(path, word, "--proxied", "--authority", f"{self.name}.mesh", *flags, timeout=timeout)

    def check(self):
        """A few requests of each kind, or Failed."""
        for path, flags in SPOKEN.items():
            self.run(path, "requests", *flags, "--seconds", "0.1", "--warm-up", "0", timeout=20)


def stand_in(lab, others, options):
    """Envoy, with the certificate of its pod's service account."""
    folder = pathlib.Path(lab.folder.name)
    waypoint_envoy.certificate(lab, folder)
    config = waypoint_envoy.configuration(
        folder, lab.ip(STAND_IN), PORTS, {version: lab.ip(f"mesh/envoy-{version}") for version in SUBSETS}, SUBSETS,
        others, other_prefix)
    served = Served("envoy", lab)

    def answers():
        with contextlib.suppress(Failed):
            served.check()
            return True
        return False
    return waypoint_envoy.running(lab, STAND_IN, config, answers, options)


@contextlib.contextmanager
def open_waypoints(names, options, word="", others=1, checked=True):
    """{name: Served} inside `with`, in the order of ALL; `checked`: each has answered before."""
    with contextlib.ExitStack() as stack:
        flags = ["--waypoint-flag=--workers=1"]
        lab = stack.enter_context(Lab(f"waypoint{word}", world(names, others), flags=flags))
        out = {}
        for name in (one for one in (*ALL, "many") if one in names):
            pids = []
            if name in ("culvert", "many"):
                pids = [lab.container_pid(OURS)]
            elif name == "envoy":
                pids = [stack.enter_context(stand_in(lab, others, options)).pid]
            out[name] = Served(name, lab, pids)
        for way in out.values() if checked else ():
            way.check()
        yield out
