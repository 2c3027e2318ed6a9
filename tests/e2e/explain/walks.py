"""Connections drawn at random, their explanations, and what is seen of the real ones.

Names of a connection's ways are those of `culvert explain`: local, direct, plain, tunnel, joined.
"""
import concurrent.futures
import json
import pathlib
import random
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "policy"))

from draw import CLIENTS, PODS  # noqa: E402
from flows import endpoint, server_pod  # noqa: E402
from lab import culvert, wait_until  # noqa: E402

EXCLUDED_PORT = 7070  # the agents leave it alone
SERVED = (8080, 9090, EXCLUDED_PORT)
MESHED_CLIENTS = [client for client in CLIENTS if not client.startswith("default/")]
SERVERS = ["shop/web", "shop/stock", "bank/vault", "default/bare"]
SERVICES = {"shop/front": (80, 8080, "{app: web}"), "shop/both": (81, 9090, "{tier: a}"),
            "shop/empty": (80, 8080, "{app: nobody}"), "bank/safe": (443, 8080, "{app: web}")}


def service(key, port, target, selector):
    ns, name = key.split("/")
    return f"""---
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: {ns}}}
spec:
  ipFamilyPolicy: PreferDualStack
  selector: {selector}
  ports: [{{port: {port}, targetPort: {target}}}]
"""


WORLD = (PODS.replace('"8080", "9090"', '"8080", "9090", "7070"') + server_pod("default", "bare", "west", SERVED) +
         "".join(service(key, *rest) for key, rest in SERVICES.items()))
# The same, and a waypoint in front of the services of shop: one port of TCP, one of which nothing is declared.
BEHIND_WAYPOINT = (WORLD.replace("name: front, namespace: shop}", "name: front, namespace: shop, labels: {istio.io/use-waypoint: wp}}")
                   .replace("name: both, namespace: shop}", "name: both, namespace: shop, labels: {istio.io/use-waypoint: wp}}")
                   .replace("[{port: 81, targetPort: 9090}]", "[{name: tcp, port: 81, targetPort: 9090}]") + """---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: wp, namespace: shop}
spec: {gatewayClassName: culvert-waypoint, listeners: [{name: mesh, port: 15008, protocol: HBONE}]}
""")
FLAGS = [f"--agent-flag=--exclude-port={EXCLUDED_PORT}"]


class Walk:
    """One connection: who asks, the words for explain, and the address to dial."""

    def __init__(self, client, words, host, port):
        self.client, self.words, self.host, self.port = client, words, host, port

    def __str__(self):
        return f"{self.client} -> {self.words} ({self.host}:{self.port})"


class Draw:
    """Connections between the pods of WORLD, by every kind of name."""

    def __init__(self, seed, mesh):
        self.random, self.mesh = random.Random(seed), mesh
        self.vips = {f"{one['namespace']}/{one['name']}": one["cluster_ips"]
                     for one in mesh.lab.status()["services"]}

    def to_pod(self, client, family):
        server = self.random.choice(SERVERS)
        ports = SERVED * 4 + (1, 290, 15008)  # also where nobody listens
        if server == "default/bare":
            ports = SERVED  # what it refuses is no mesh's business
        port, host = self.random.choice(ports), self.mesh.ip(server, family)
        words = self.random.choice([f"{server}:{port}", endpoint((host, port))])
        return Walk(client, words, host, port)

    def to_service(self, client, family):
        key = self.random.choice(sorted(SERVICES))
        ns, name = key.split("/")
        port = SERVICES[key][0] + (1 if self.random.random() < 0.05 else 0)  # a port that it does not have
        host = next(ip for ip in self.vips[key] if (":" in ip) == (family == 6))
        forms = [f"{name}.{ns}", f"{name}.{ns}.svc", f"{name}.{ns}.svc.cluster.local", key]
        if client.startswith(ns + "/"):
            forms.append(name)
        return Walk(client, f"{self.random.choice(forms)}:{port}", host, port)

    def walk(self):
        family = self.random.choice((4, 6))
        client = self.random.choice(list(CLIENTS))
        by_service = client in MESHED_CLIENTS and self.random.random() < 0.35
        return family, (self.to_service if by_service else self.to_pod)(client, family)

    def walks(self, count):
        """Different ones: a connection is told from others by its client and destination."""
        out = {}
        while len(out) < count:
            family, walk = self.walk()
            out.setdefault((walk.client, walk.host, walk.port), (family, walk))
        return list(out.values())


def explain(lab, walk, family=4):
    """(exit status, report) of culvert explain."""
    flags = ["-6"] if family == 6 else []
    done = culvert("explain", "--name", lab.name, "-o", "json", *flags, walk.client, walk.words, check=False)
    assert done.returncode in (0, 2), f"{walk}: {done.stderr}"
    return done.returncode, json.loads(done.stdout)


def explain_all(lab, drawn):
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return [report for _, report in pool.map(lambda one: explain(lab, one[1], one[0]), drawn)]


def connect_all(mesh, drawn):
    """What each client saw, in the order of `drawn`; all clients at once."""
    sent = {}
    for index, (_, walk) in enumerate(drawn):
        flow = {"host": walk.host, "port": walk.port, "text": mesh.text()}
        sent.setdefault(walk.client, []).append((index, flow))
    got = mesh.rounds({client: [flow for _, flow in flows] for client, flows in sent.items()})
    seen = {index: result for client, flows in sent.items()
            for (index, _), result in zip(flows, got[client])}
    return [seen[index] for index in range(len(drawn))]


class Logs:
    """The access logs of both nodes since the last look."""

    def __init__(self, mesh):
        self.mesh, self.lines, self.read = mesh, [], {}
        self.skip()

    def skip(self):
        """From here on, only new lines."""
        self.lines = []
        for node in ("east", "west"):
            self.read[node] = len(self.mesh.lab.logs(f"node/{node}", "ztunnel").splitlines())

    def refresh(self):
        from flows import access_log
        self.lines = []
        for node in ("east", "west"):
            text = self.mesh.lab.logs(f"node/{node}", "ztunnel").splitlines()[self.read[node]:]
            self.lines += [line for line in access_log("\n".join(text)) if line["event"] != "connection opened"]

    def find(self, **wanted):
        """The lines whose fields are these (a dot is written __)."""
        return [line for line in self.lines
                if all(line.get(key.replace("__", ".")) == value for key, value in wanted.items())]


def wait_for(logs, condition, what):
    def look():
        logs.refresh()
        return condition()
    return wait_until(look, what)


def path_of(line):
    if "dst.hbone_addr" in line:
        return "tunnel"
    return "joined" if "dst.identity" in line else "plain"
