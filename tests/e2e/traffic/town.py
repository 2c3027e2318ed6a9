"""The lab of these tests: pods of the mesh and others on two nodes, and the ways between them.

client (east) talks to near (east) and far (west); outsider (west) and stranger (east) are not in the
mesh. near and far have the same servers: 8080 HTTP echo, 2525 a server that speaks first, 5001 flood,
and the conversations of SCRIPTS. Services: talk has near and far, far-only has far, empty has nobody.
"""
import ipaddress
import json

from lab import APPS, wait_until

# Port -> what a server does with each connection (apps/talk.py).
SCRIPTS = {
    7001: "eof,send:after your end",             # the client ends first, and still hears
    7002: "send:before your end,fin,eof",        # the server ends first, and still hears
    7003: "line,rst",                            # the server resets
    7004: "line,send:go on\\n,eof",              # whatever the client does next is heard
    7005: "eof,rst",                             # reset in a half-closed connection
    7006: "send:bye,fin,eof,sleep:0.1",          # both ends end
}

SERVERS = f"""
  - name: http
    command: [python3, {APPS}/http_echo.py, "8080"]
    ports: [{{containerPort: 8080}}]
  - name: greeter
    command: [python3, {APPS}/greeter.py, "2525"]
    ports: [{{containerPort: 2525}}]
  - name: flood
    command: [python3, {APPS}/bulk.py, serve, "5001"]
    ports: [{{containerPort: 5001}}]
  - name: talk
    command: {json.dumps(["python3", f"{APPS}/talk.py", "serve", *(f"{p}={s}" for p, s in SCRIPTS.items())])}
    ports: [{{containerPort: 7001}}]
"""

SLEEPER = """
  - {name: sleeper, command: [sleep, "100000"]}
"""


def pod(ns, name, node, containers, labels="{}"):
    return f"""---
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: {ns}, labels: {labels}}}
spec:
  nodeName: {node}
  serviceAccountName: {name}
  containers:{containers}"""


def service(name, selector, ports=(8080, 2525, 7006)):
    ports = ", ".join(f"{{name: p{port}, port: {port}}}" for port in ports)
    return f"""---
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: town}}
spec:
  ipFamilyPolicy: PreferDualStack
  selector: {selector}
  ports: [{ports}]
"""


WORLD = "\n".join([
    "apiVersion: v1\nkind: Node\nmetadata: {name: east}",
    "---\napiVersion: v1\nkind: Node\nmetadata: {name: west}",
    "---\napiVersion: v1\nkind: Namespace\n"
    "metadata: {name: town, labels: {istio.io/dataplane-mode: ambient}}",
    pod("town", "client", "east", SLEEPER),
    pod("town", "near", "east", SERVERS, "{app: talk, at: near}"),
    pod("town", "far", "west", SERVERS, "{app: talk, at: far}"),
    pod("wild", "outsider", "west", SERVERS),
    pod("wild", "stranger", "east", SLEEPER),
    service("talk", "{app: talk}"),
    service("near-only", "{at: near}"),
    service("far-only", "{at: far}"),
    service("empty", "{app: nobody}"),
])

CLIENT = "town/client"
ZTUNNEL_FLAGS = ["--ztunnel-flag=--log-format=json"]


def ip_of(lab, pod, family):
    return lab.ips(pod)[0 if family == 4 else 1]


def vip_of(lab, service, family):
    for one in lab.status()["services"]:
        if one["name"] == service:
            return next(ip for ip in one["cluster_ips"] if ipaddress.ip_address(ip).version == family)
    raise KeyError(service)


def talk(lab, host, port, steps, *flags, client=CLIENT):
    """What talk.py's caller saw."""
    done = lab.exec(client, "python3", APPS / "talk.py", "call", host, port, steps, *flags)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def heard_by(lab, server, container, port, peer, event="ended"):
    """The line that the server `container` of a pod logged about its connection from `peer`."""
    def find():
        for line in lab.log_lines(server, container):
            if line.get("event") == event and line["peer"] == peer and line.get("port", port) == port:
                return line
        return None
    return wait_until(find, f"{event} {peer} in the log of {server}")


def pid_of(lab, component):
    """The process id of "node/east/ztunnel"."""
    for one in lab.status()["components"]:
        if one["id"] == component:
            return one["pid"]
    raise KeyError(component)


def established(lab, pod, port):
    """How many TCP connections to `port` the pod's namespace has."""
    done = lab.exec(pod, "ss", "-Htn", "state", "established", "dport", "=", f":{port}", check=True)
    return len(done.stdout.splitlines())
