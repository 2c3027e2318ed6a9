"""What is sent to a pod's own address, at a waypoint for all: where its service's rules lead; both families."""
import json
import os

import pytest
from flows import NODES, client_pod, meshed
from lab import APPS, Lab, wait_until

PODS = {"v1-1": "v1", "v1-2": "v1", "v2-1": "v2", "other-1": "other"}


def pod(name, version):
    app = "other" if version == "other" else "reviews"
    return f"""---
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: shop, labels: {{app: {app}, version: {version}}}}}
spec:
  nodeName: west
  serviceAccountName: {app}
  containers:
  - {{name: c, command: [python3, {APPS}/versions.py], ports: [{{containerPort: 8080}}],
     env: [{{name: NAME, value: {name}}}, {{name: VERSION, value: {version}}}]}}
"""


def service(name):
    return f"""---
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: shop}}
spec: {{ipFamilyPolicy: PreferDualStack, selector: {{app: {name}}}, ports: [{{name: http, port: 80, targetPort: 8080}}]}}
"""


# Ports that say what they speak, by their names, and one of the same application that does not.
PLAIN = f"""---
apiVersion: v1
kind: Pod
metadata: {{name: plain, namespace: shop, labels: {{app: plain}}}}
spec:
  nodeName: west
  serviceAccountName: plain
  containers:
  - {{name: greeter, command: [python3, {APPS}/greeter.py, "2525"], ports: [{{containerPort: 2525}}]}}
  - {{name: echo, command: [python3, {APPS}/http_echo.py, "9000"], ports: [{{containerPort: 9000}}]}}
  - {{name: other, command: [python3, {APPS}/http_echo.py, "9001"], ports: [{{containerPort: 9001}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: plain, namespace: shop}}
spec:
  ipFamilyPolicy: PreferDualStack
  selector: {{app: plain}}
  ports: [{{name: tcp-greet, port: 25, targetPort: 2525}}, {{name: tcp-echo, port: 90, targetPort: 9000}},
          {{name: echo, port: 91, targetPort: 9001}}]
"""

# Says a line, and tells all that is answered; without a line it waits to be spoken to.
SAY = """
import socket, sys
link = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=60)
if sys.argv[3]:
    link.sendall(sys.argv[3].encode())
    link.shutdown(socket.SHUT_WR)
print(link.recv(1000).decode())
"""

WORLD = NODES + meshed("home") + "".join(pod(*one) for one in PODS.items()) + service("reviews") + service("other") + PLAIN + \
    client_pod("home", "client", "east") + """---
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {istio.io/dataplane-mode: ambient, istio.io/use-waypoint: wp}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: wp, namespace: shop, labels: {istio.io/waypoint-for: all}}
spec: {gatewayClassName: culvert-waypoint, listeners: [{name: mesh, port: 15008, protocol: HBONE, allowedRoutes: {namespaces: {from: All}}}]}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews, namespace: shop}
spec: {host: reviews, subsets: [{name: v2, labels: {version: v2}}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: shop}
spec:
  hosts: [reviews]
  http:
  - {match: [{uri: {prefix: /v2}}], route: [{destination: {host: reviews, subset: v2}}]}
  - {match: [{uri: {prefix: /other}}], route: [{destination: {host: other}}]}
  - {route: [{destination: {host: reviews}, headers: {request: {set: {x-rule: own}}}}]}
"""


@pytest.fixture(scope="module")
def lab():
    with Lab(f"rules-dialled-{os.getpid()}", WORLD) as made:
        wait_until(lambda: made.curl("home/client", "http://reviews.shop/")[0] == 0, "the waypoint serves", 60)
        yield made


@pytest.mark.parametrize("family", [4, 6])
def test_a_rule_leads_from_a_dialled_pod_to_others_and_without_one_the_pod_answers(lab, family):
    ip = lab.ips("shop/v1-2")[0 if family == 4 else 1]
    place = ip if family == 4 else f"[{ip}]"

    def ask(path):
        status, body = lab.curl("home/client", f"http://{place}:8080{path}", "-H", "Host: reviews")
        assert status == 0, body
        return json.loads(body)

    for _ in range(4):  # by turns it would be another one's
        answer = ask("/")
        assert (answer["pod"], answer["headers"]["x-rule"]) == ("v1-2", "own"), answer
    assert ask("/v2")["pod"] == "v2-1"
    assert ask("/other")["pod"] == "other-1"


@pytest.mark.parametrize("family", [0, 1])
def test_what_a_dialled_port_speaks_is_what_its_service_declares(lab, family):
    def say(pod, port, line):
        done = lab.exec("home/client", "python3", "-c", SAY, lab.ips(pod)[family], str(port), line)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def headers(port):
        ip = lab.ips("shop/plain")[family]
        status, body = lab.curl("home/client", f"http://{f'[{ip}]' if ':' in ip else ip}:{port}/")
        assert status == 0, body
        return {name.lower() for name in json.loads(body)["headers"]}

    assert say("shop/plain", 2525, "").startswith("220 hello from plain")
    # TCP is passed as it is, whatever comes; undeclared, the same is served as HTTP.
    assert "x-request-id" not in headers(9000)
    assert "x-request-id" in headers(9001)
    # A port of HTTP takes nothing else, and its server sees none of it.
    assert say("shop/v1-1", 8080, "this is no HTTP\n").startswith("HTTP/1.1 400")
