"""The lab of these tests, and what its nodes tell: metrics by a real parser, log lines, admin answers.

client (east) talks to near (east) and far (west); outsider (west) is not in the mesh. near and far answer
on 7001 (and at length on 7005), hold a connection on 7004, refuse 7002 by policy, have nobody on 7003.
"""
import collections
import gzip
import json
import subprocess

from lab import APPS, ENV, wait_until
from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics

ANSWER, LONG_ANSWER = "after your end", 40_000
SPIFFE = "spiffe://cluster.local/ns/town/sa/"
CLIENT, NEAR, FAR = "town/client", "town/near", "town/far"
# Server -> (node, reporter) of both sides.
SIDES = {NEAR: (("node/east", "source"), ("node/east", "destination")),
         FAR: (("node/east", "source"), ("node/west", "destination"))}
FLAGS = ["--ztunnel-flag=--log-format=json"]
BUSY = 503  # the loop did not get to the question in time: so it may be on a loaded machine


def pod(ns, name, node, command):
    return f"""---
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: {ns}, labels: {{app: {name}, at: servers}}}}
spec:
  nodeName: {node}
  serviceAccountName: {name}
  containers:
  - name: app
    command: {json.dumps(command)}
    ports: {json.dumps([dict(containerPort=int(step.split("=")[0])) for step in command[3:]])}
"""


TALK = ["python3", f"{APPS}/talk.py", "serve", f"7001=eof,send:{ANSWER}", f"7002=eof,send:{ANSWER}", "7004=line,eof",
        f"7005=eof,fill:{LONG_ANSWER}"]
WORLD = "\n".join([
    "apiVersion: v1\nkind: Node\nmetadata: {name: east, labels: {topology.kubernetes.io/region: eu, "
    "topology.kubernetes.io/zone: eu-1}}",
    "---\napiVersion: v1\nkind: Node\nmetadata: {name: west, labels: {topology.kubernetes.io/region: eu, "
    "topology.kubernetes.io/zone: eu-2}}",
    "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: town, labels: {istio.io/dataplane-mode: ambient}}",
    pod("town", "client", "east", ["sleep", "100000"]),
    pod("town", "near", "east", TALK),
    pod("town", "far", "west", TALK),
    pod("wild", "outsider", "west", TALK),
    """---
apiVersion: v1
kind: Service
metadata: {name: far, namespace: town}
spec:
  selector: {app: far}
  ports: [{name: talk, port: 80, targetPort: 7001}]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: no-7002, namespace: town}
spec:
  action: DENY
  rules:
  - to:
    - operation: {ports: ["7002"]}
"""])


def http(lab, node, url, *flags):
    """(status, headers in lower case, body as bytes) of curl in a node's namespace, once the process has time for it."""
    def asked():
        answer = http_once(lab, node, url, *flags)
        return None if answer[0] == BUSY else answer
    return wait_until(asked, f"an answer from {url}")


def http_once(lab, node, url, *flags):
    argv = lab.exec_argv(node, "curl", "-sS", "--max-time", "60", "-D", "/dev/stderr", *flags, url)
    done = subprocess.run(argv, env=ENV, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    head = done.stderr.decode().replace("\r", "").strip().splitlines()
    headers = dict(line.split(": ", 1) for line in (h.replace(":", ": ", 1) if ": " not in h else h for h in head[1:]))
    return int(head[0].split()[1]), {name.lower(): value for name, value in headers.items()}, done.stdout


def admin(lab, node, path, *flags):
    status, _, body = http(lab, node, f"http://127.0.0.1:15000{path}", *flags)
    return status, body.decode()


def metrics(lab, node, accept=None, packed=False):
    """Family name -> metric, as prometheus_client reads the page."""
    flags = ["-H", f"Accept: {accept}"] if accept else []
    flags += ["-H", "Accept-Encoding: gzip"] if packed else []
    status, headers, body = http(lab, node, "http://127.0.0.1:15020/metrics", *flags)
    assert status == 200, body
    if packed:
        assert headers["content-encoding"] == "gzip"
        body = gzip.decompress(body)
    if headers["content-type"].startswith("application/openmetrics-text"):
        return {family.name: family for family in openmetrics.text_string_to_metric_families(body.decode())}
    assert headers["content-type"].startswith("text/plain; version=0.0.4")
    return {family.name: family for family in parser.text_string_to_metric_families(body.decode())}


def total(families, name, **labels):
    """The sum of a family's samples with these labels."""
    return sum(sample.value for sample in families[name].samples
               if all(sample.labels.get(key) == value for key, value in labels.items()))


TCP = ("opened", "closed", "failed", "received", "sent")
FAMILIES = dict(zip(TCP, ("istio_tcp_connections_opened", "istio_tcp_connections_closed", "istio_tcp_connections_failed",
                          "istio_tcp_received_bytes", "istio_tcp_sent_bytes")))


def counted(lab, node, **labels):
    families = metrics(lab, node)
    return {short: total(families, name, **labels) for short, name in FAMILIES.items()}


def grown(lab, node, before, **labels):
    return {name: value - before[name] for name, value in counted(lab, node, **labels).items()}


def tally(lab, host, port, connections, size):
    """What the counting client counted."""
    done = lab.exec(CLIENT, "python3", APPS / "tally.py", host, port, connections, size, check=True)
    return json.loads(done.stdout)


def access_lines(lab, node):
    return [line for line in map(json.loads, (text for text in lab.logs(node, "ztunnel").splitlines()
                                              if '"scope":"access"' in text))]


def lines_by(lab, node, direction, key):
    """How many access-log lines of a direction there are by the value of `key`."""
    return collections.Counter(line.get(key) for line in access_lines(lab, node) if line["direction"] == direction)


def connections(lab, node, **wanted):
    status, body = admin(lab, node, "/connections?limit=10000")
    assert status == 200, body
    return [one for one in json.loads(body)["connections"] if all(one.get(k) == v for k, v in wanted.items())]


def await_equal(read, wanted, what):
    wait_until(lambda: read() == wanted, f"{what}: {wanted}, not {read()}")
