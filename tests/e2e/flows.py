"""Connections between pods of a lab, judged from three sides: client, server's log, access log.

    mesh = Mesh(lab, clients=["shop/near", "default/outside"])
    mesh.answered("shop/near", "shop/web", 8080)
    mesh.refused("default/outside", "shop/web", 8080, policy="shop/deny-all")

Servers run apps/many_ports.py.
"""
import contextlib
import itertools
import json
import re
import subprocess

from lab import APPS, wait_until

FIELD = re.compile(r'([\w.]+)=("((?:[^"\\]|\\.)*)"|\S+)')


def server_pod(ns, name, node, ports=(8080, 9090), labels="{}", account=None):
    return f"""---
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: {ns}, labels: {labels}}}
spec:
  nodeName: {node}
  serviceAccountName: {account or name}
  containers:
  - name: c
    command: [python3, {APPS}/many_ports.py, {', '.join(f'"{port}"' for port in ports)}]
    ports: [{', '.join(f'{{containerPort: {port}}}' for port in ports)}]
"""


def client_pod(ns, name, node, account=None, labels="{}"):
    return f"""---
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: {ns}, labels: {labels}}}
spec:
  nodeName: {node}
  serviceAccountName: {account or name}
  containers: [{{name: c, command: [sleep, "100000"]}}]
"""


def echo_pod(ns, name, node):
    """apps/http_echo.py on 8080, with a label by which its service finds it."""
    return f"""---
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: {ns}, labels: {{app: {name}}}}}
spec:
  nodeName: {node}
  serviceAccountName: {name}
  containers: [{{name: http, command: [python3, {APPS}/http_echo.py, "8080"], ports: [{{containerPort: 8080}}]}}]
"""


def front(ns, node, http, port=80):
    """The pod NS/edge, which serves every host at a port, and its rules: the list `http` in YAML."""
    return f"""---
apiVersion: v1
kind: Pod
metadata: {{name: edge, namespace: {ns}, labels: {{istio: ingressgateway}}}}
spec: {{nodeName: {node}, serviceAccountName: edge, containers: [{{name: proxy, image: culvert-waypoint}}]}}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: front, namespace: {ns}}}
spec:
  selector: {{istio: ingressgateway}}
  servers: [{{port: {{number: {port}, name: http, protocol: HTTP}}, hosts: ["*"]}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: front, namespace: {ns}}}
spec: {{hosts: ["*"], gateways: [front], http: {http}}}
"""


NODES = """---
apiVersion: v1
kind: Node
metadata: {name: east}
---
apiVersion: v1
kind: Node
metadata: {name: west}
"""


def meshed(*namespaces):
    return "".join(f"---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: {ns}, "
                   "labels: {istio.io/dataplane-mode: ambient}}\n" for ns in namespaces)


def endpoint(address):
    """As the access log writes [ip, port]."""
    ip, port = address[:2]
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


def access_log(text):
    """The lines of a ztunnel's access log as dictionaries; "event" is what happened."""
    out = []
    for line in text.splitlines():
        found = re.search(r" (connection \w+) src\.addr=", line)
        if not found:
            continue
        fields = {key: value[1:-1] if value.startswith('"') else value
                  for key, value, _ in FIELD.findall(line[found.end() - len("src.addr="):])}
        out.append({"event": found.group(1), **fields})
    return out


def control_status(lab):
    """Control's GET /status."""
    socket = f"/run/culvert/lab/{lab.name}/control/admin.sock"
    done = subprocess.run(["curl", "-sS", "--unix-socket", socket, "http://control/status"],
                          text=True, capture_output=True, check=True)
    return json.loads(done.stdout)


class Mesh:
    """A lab, its pods' addresses, and a line_client.py in each of `clients`."""

    def __init__(self, lab, clients):
        self.lab, self.texts = lab, itertools.count()
        self.pods = {f"{pod['namespace']}/{pod['name']}": pod for pod in lab.status()["pods"]}
        self.clients, self.lines = {}, {}
        for key in clients:
            self.start(key)

    def start(self, key):
        self.clients[key] = self.lab.popen(key, "python3", APPS / "line_client.py",
                                           stdin=subprocess.PIPE)

    def close(self):
        for process in self.clients.values():
            process.stdin.close()
            process.wait(timeout=60)

    def ip(self, key, family=4):
        return next(ip for ip in self.pods[key]["ips"] if (":" in ip) == (family == 6))

    def text(self):
        """Words that no other connection of this lab says."""
        return f"words-{next(self.texts)}-of-{self.lab.name}"

    def rounds(self, flows_of):
        """flows_of: {client: [flow, ...]}; all clients at work at once. The same shape of results."""
        for key, flows in flows_of.items():
            process = self.clients[key]
            process.stdin.write(json.dumps(flows) + "\n")
            process.stdin.flush()
        return {key: json.loads(self.clients[key].stdout.readline()) for key in flows_of}

    def flow(self, client, server, port, family=4, **options):
        """One connection. The result has what was said as "text"."""
        return self.one(client, host=self.ip(server, family), port=port, **options)

    def one(self, client, **flow):
        flow.setdefault("text", self.text())
        return {**self.rounds({client: [flow]})[client][0], "text": flow["text"]}

    def heard(self, server):
        """What a server's own log has: {text: line}."""
        return {line["text"]: line for line in self.lab.log_lines(server) if "text" in line}

    def access(self, node):
        return access_log(self.lab.logs(f"node/{node}", "ztunnel"))

    def control_status(self):
        return control_status(self.lab)

    def inbound_line(self, node, local):
        """The access log's line of an inbound connection from `local`, once it is there."""
        def known(lines):
            return next((line for line in reversed(lines)
                         if line["src.addr"] == endpoint(local) and line["direction"] == "inbound"), None)

        def read():
            self.lines[node] = self.access(node)
            return known(self.lines[node])
        return known(self.lines.get(node, [])) or wait_until(
            read, f"an access log line about {endpoint(local)} on {node}")

    def answered(self, client, server, port, family=4):
        """The server logs the client's words and its real address, which comes back as "seen"."""
        got = self.flow(client, server, port, family)
        assert got["outcome"] == "answered", got
        heard = self.heard(server)[got["text"]]
        assert heard["peer"][0] == self.ip(client, family) and heard["port"] == port
        return {**got, "seen": heard["peer"]}

    def refused(self, client, server, port, family=4, policy=None):
        """The client sees a reset, the server nothing, and the access log names the policy."""
        got = self.flow(client, server, port, family)
        self.lines.clear()
        assert got["outcome"] == "reset", got
        line = self.inbound_line(self.pods[server]["node"], got["local"])
        assert got["text"] not in self.heard(server)
        assert line.get("error"), line
        if policy is not None:
            assert line.get("policy") == policy, line
        return line

    def sorted_out(self, clients, let_through, server, port, families=(4,), policy=None):
        """answered() for the clients `let_through`, refused() for the others, all at once."""
        flows = {client: [{"host": self.ip(server, family), "port": port, "text": self.text()}
                          for family in families] for client in clients}
        results = self.rounds(flows)
        self.lines.clear()
        heard, node = self.heard(server), self.pods[server]["node"]
        for client, family, flow, got in ((c, f, flow, got) for c in clients
                                          for f, flow, got in zip(families, flows[c], results[c])):
            if client in let_through:
                assert got["outcome"] == "answered", (client, got)
                assert heard[flow["text"]]["peer"][0] == self.ip(client, family)
            else:
                assert got["outcome"] == "reset" and flow["text"] not in heard, (client, got)
        for client in set(clients) - set(let_through):
            for got in results[client]:
                line = self.inbound_line(node, got["local"])
                assert line.get("error") and line.get("policy") == policy, line

    @contextlib.contextmanager
    def with_objects(self, *yaml):
        """These objects are in force inside `with`, and gone afterwards."""
        path = self.lab.path("---\n".join(yaml))
        try:
            self.lab.apply(path)
            yield
        finally:
            self.lab.delete("-f", path)
