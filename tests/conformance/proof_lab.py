"""The lab of the proofs that need many requests or more than one HTTP: reviews with nine pods of v1, three of v2 and one of v3
behind a waypoint, an edge, and servers of gRPC, HTTP/2 and WebSocket. One lab serves all test files of this folder.
"""
import collections
import itertools
import json
import os
import pathlib
import subprocess

import yaml

import waypoint_lab
from tables import api_object
from waypoint_lab import HERE, Lab, pod, service

V1_PODS, V2_PODS = 9, 3
PODS = {"v1": V1_PODS, "v2": V2_PODS, "v3": 1}
EDGE_PORT = 8000
WAYPOINT = "shop/waypoint-1"
CALLS_PODS = 2
BUILD = os.path.abspath(os.environ.get("CULVERT_BUILD", HERE.parents[1] / "build"))
_numbers = itertools.count(1)
# What each port of the service `servers` is called, and where it leads.
PORTS = {"http": 8080, "http2": 8082, "grpc": 8083, "http-socket": 8084}
HTTP2_SOCKET = 8085  # leads to the same server as http-socket, in HTTP/2


def servers():
    """A pod with a server of each kind, a second one for gRPC, and one that answers early."""
    containers = [["python3", HERE / "echo.py", "one", "--port", PORTS["http"]],
                  [f"{BUILD}/tests/e2e/h2/h2_server", f"[::]:{PORTS['http2']}"],
                  ["/usr/bin/python3", HERE / "grpc_server.py", "servers-1", PORTS["grpc"]],
                  ["/usr/bin/python3", HERE / "websocket.py", "serve", PORTS["http-socket"]]]
    one = pod("servers-1", "shop", {"app": "servers", "calls": "yes"})
    one["spec"]["containers"] = [{"name": f"c{i}", "command": [str(word) for word in command], "ports": [{"containerPort": port}]}
                                 for i, (command, port) in enumerate(zip(containers, PORTS.values(), strict=True))]
    two = pod("servers-2", "shop", {"calls": "yes"}, "/usr/bin/python3", str(HERE / "grpc_server.py"), "servers-2",
              str(PORTS["grpc"]), ports=[PORTS["grpc"]])
    ports = [{"name": name, "port": port} for name, port in PORTS.items()]
    ports.append({"name": "http2-socket", "port": HTTP2_SOCKET, "targetPort": PORTS["http-socket"]})
    early = pod("early", "shop", {"app": "early"}, "python3", str(HERE / "early.py"), "8080", ports=[8080])
    return [one, two, early, dual("early", {"app": "early"}, [{"name": "http", "port": 8080}]),
            dual("servers", {"app": "servers"}, ports), dual("calls", {"calls": "yes"}, [{"name": "grpc", "port": 8083}])]


def dual(name, selector, ports):
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "shop"},
            "spec": {"ipFamilyPolicy": "PreferDualStack", "selector": selector, "ports": ports}}


def edge():
    """An edge for any host, a service without waypoint behind it, and a pod outside the mesh."""
    plain = dual("plain", {"app": "plain"}, [{"name": "http", "port": 8080}])
    plain["metadata"]["labels"] = {"istio.io/use-waypoint": "none"}
    proxy = pod("edge", "shop", {"istio": "ingressgateway"})
    proxy["spec"]["containers"] = [{"name": "proxy", "image": "culvert-waypoint"}]
    port = {"number": EDGE_PORT, "name": "http", "protocol": "HTTP"}
    return [api_object("Gateway", "front", {"selector": {"istio": "ingressgateway"}, "servers": [{"port": port, "hosts": ["*"]}]}),
            proxy, plain, pod("plain", "shop", {"app": "plain"}, "python3", str(HERE / "echo.py"), "plain", "--port", "8080", ports=[8080]),
            pod("outside", "default", {"version": "v1"}, "python3", str(HERE / "echo.py"), "outside", "--port", "8080", ports=[8080])]


def world():
    echo = ["python3", str(HERE / "echo.py")]
    out = waypoint_lab.mesh() + [pod("web", "shop", {"app": "web"}, "sleep", "100000"), service("reviews", "reviews")]
    for version, count in PODS.items():
        for i in range(1, count + 1):
            labels = {"app": "reviews", "version": version, **({"pair": "yes"} if version != "v3" and i <= V2_PODS else {})}
            out.append(pod(f"{version}-{i}", "shop", labels, *echo, f"{version}-{i}", "--port", "8080", ports=[8080]))
    return yaml.safe_dump_all(out + servers() + edge(), sort_keys=False)


def made():
    return Lab(f"conf-proof-{os.getpid()}", world())


def rule(http, hosts=("reviews",), gateways=("mesh",), **policy):
    """A VirtualService and DestinationRule for reviews; subset `pair` is of as many pods of v1 as of v2."""
    policy = {"loadBalancer": {"simple": "ROUND_ROBIN"}, **policy}
    versions = [*({"name": v, "labels": {"version": v}} for v in PODS), {"name": "pair", "labels": {"pair": "yes"}}]
    return yaml.safe_dump_all([
        api_object("VirtualService", "reviews", {"hosts": list(hosts), "gateways": list(gateways), "http": http}),
        api_object("DestinationRule", "reviews", {"host": "reviews", "trafficPolicy": policy, "subsets": versions})])


def rules_of(name, http):
    """A VirtualService for another service of the lab."""
    return yaml.safe_dump_all([api_object("VirtualService", name, {"hosts": [name], "http": http})])


def to(subset, **more):
    return {"route": [{"destination": {"host": "reviews", "subset": subset}}], **more}


def always(**fault):
    """A fault that every request meets: always(delay={"fixedDelay": "5s"})."""
    return {name: {**what, "percentage": {"value": 100}} for name, what in fault.items()}


def ask(lab, family, count=1, headers=(), at_once=8, method="GET", body_bytes=0, path="/", authority="reviews",
        place=("reviews", 80), client="shop/web", apart=False):
    """`apart`: servers count the tries of each request by itself."""
    one = {"to": list(place), "method": method, "path": path, "authority": authority, "family": family,
           "headers": list(headers), "bodyBytes": body_bytes}
    done = lab.exec(client, "/usr/bin/python3", HERE / "ask.py", "--at-once", at_once, timeout=600, check=True,
                    input=json.dumps([{**one, "headers": [*headers, *numbered(apart)]} for _ in range(count)]))
    return json.loads(done.stdout)


def numbered(apart=True):
    """The header by which servers know the tries of one request."""
    return [["x-ask", f"proof/{next(_numbers)}"]] if apart else []


def pods(answers):
    wrong = [one for one in answers if one.get("status") != 200]
    assert not wrong, wrong[:3]
    return [json.loads(one["body"])["version"] for one in answers]


def local(lab, name, path):
    """What a pod's own echo server says to itself."""
    done = lab.exec(f"shop/{name}", "curl", "-sS", f"http://localhost:8080{path}", check=True)
    return json.loads(done.stdout)


def told(lab, version):
    """What all pods of a version have received: how often each "HOST BYTES HASH"."""
    out = collections.Counter()
    for i in range(1, PODS[version] + 1):
        out.update(local(lab, f"{version}-{i}", "/_told"))
    return out


def process_of(lab, key, container=0):
    """The pid of a pod's process."""
    return lab.pod(key)["processes"][container]["pid"]


def memory_kib(pid):
    """What a process has in memory now."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in text.splitlines() if line.startswith("VmRSS")).split()[1])


def logged(lab, path):
    """The access log's lines of requests for this path, at the waypoint."""
    return [line for line in lab.logs(WAYPOINT).splitlines() if f" {path} HTTP/" in line]


class KeepAsking:
    """Connections that are kept, each asked over and over; see keep_asking.py."""

    def __init__(self, lab, family, connections):
        self.process = lab.popen("shop/web", "/usr/bin/python3", HERE / "keep_asking.py", "reviews", "80", family, connections,
                                 stdin=subprocess.PIPE)
        assert self.process.stdout.readline() == "asking\n"

    def ask_more(self, count):
        """What came of `count` requests that begin from now on, and of all before them."""
        out, _ = self.process.communicate(f"{count}\n", timeout=600)
        return json.loads(out)
