"""Opting in, by traffic: a waypoint of another namespace, one for workloads, and what appProtocol makes of a port; both families."""
import json
import os

import pytest

from flows import NODES, client_pod, meshed
from lab import APPS, Lab, wait_until

PORTS = """[{name: http, port: 8080}, {name: tcp-after-all, port: 8081, targetPort: 8080, appProtocol: http},
            {name: http-not, port: 8082, targetPort: 8080, appProtocol: tcp}, {name: tcp-by-name, port: 8083, targetPort: 8080},
            {name: http2-not, port: 8084, targetPort: 8080, appProtocol: http}]"""


def gateway(name, purpose, namespaces):
    return f"""---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: {name}, namespace: gates, labels: {{istio.io/waypoint-for: {purpose}}}}}
spec:
  gatewayClassName: culvert-waypoint
  listeners: [{{name: mesh, port: 15008, protocol: HBONE, allowedRoutes: {{namespaces: {namespaces}}}}}]
"""


def server(ns, name, labels=""):
    """A pod with a service of its name, and a rule by which one knows that it was obeyed."""
    return f"""---
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: {ns}, labels: {{app: {name}{labels}}}}}
spec:
  nodeName: west
  serviceAccountName: {name}
  containers: [{{name: http, command: [python3, {APPS}/http_echo.py, "8080"], ports: [{{containerPort: 8080}}]}}]
---
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: {ns}}}
spec: {{ipFamilyPolicy: PreferDualStack, selector: {{app: {name}}}, ports: {PORTS}}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: {name}, namespace: {ns}}}
spec: {{hosts: [{name}], http: [{{route: [{{destination: {{host: {name}}}, headers: {{request: {{set: {{x-rule: {name}}}}}}}}}]}}]}}
"""


def namespace(name, waypoint):
    return f"""---
apiVersion: v1
kind: Namespace
metadata:
  name: {name}
  labels: {{istio.io/dataplane-mode: ambient, istio.io/use-waypoint: {waypoint}, istio.io/use-waypoint-namespace: gates}}
"""


WORLD = (NODES + meshed("gates", "work", "home") + namespace("shop", "common") + namespace("strange", "closed")
         + gateway("common", "service", "{from: Selector, selector: {matchLabels: {kubernetes.io/metadata.name: shop}}}")
         + gateway("closed", "service", "{from: Same}") + gateway("pods", "workload", "{from: All}")
         + server("shop", "web") + server("strange", "web")
         + server("work", "solo", ", istio.io/use-waypoint: pods, istio.io/use-waypoint-namespace: gates")
         + client_pod("home", "client", "east"))


@pytest.fixture(scope="module")
def lab():
    with Lab(f"proof-opt-{os.getpid()}", WORLD) as made:
        wait_until(lambda: "x-rule" in seen(made, 4, "web.shop:8080"), "the waypoint serves", 60)
        yield made


@pytest.fixture(params=[4, 6])
def family(request):
    return request.param


def seen(lab, family, place):
    """The headers that the server saw; none when nobody answered."""
    status, body = lab.curl("home/client", f"http://{place}/", f"-{family}")
    return {name.lower(): value for name, value in json.loads(body)["headers"].items()} if status == 0 else {}


def address(lab, family, pod):
    ip = lab.ips(pod)[0 if family == 4 else 1]
    return ip if family == 4 else f"[{ip}]"


def requests(lab, pod):
    """How many lines of requests a waypoint has logged."""
    return sum('HTTP/1.1" ' in line for line in lab.logs(pod).splitlines())


def test_a_waypoint_of_another_namespace_serves_those_that_it_admits(lab, family):
    before = requests(lab, "gates/common-1")
    assert seen(lab, family, "web.shop:8080")["x-rule"] == "web"
    wait_until(lambda: requests(lab, "gates/common-1") == before + 1, "its log has a line")
    assert not seen(lab, family, "web.strange:8080"), "refused, as the listener admits its own namespace alone"
    said = [one for one in lab.status()["conditions"] if one["name"] == "strange"]
    assert [one["reason"] for one in said] == ["NotAllowed"], said


def test_a_waypoint_for_workloads_takes_what_is_sent_to_the_pod(lab, family):
    before = requests(lab, "gates/pods-1")
    headers = seen(lab, family, f"{address(lab, family, 'work/solo')}:8080")
    assert headers["x-rule"] == "solo" and headers["x-forwarded-client-cert"].endswith("/ns/home/sa/client")
    wait_until(lambda: requests(lab, "gates/pods-1") == before + 1, "its log has a line")
    # A service's waypoint is for the service: of its pod's address no rule speaks, and the pod admits the waypoint alone.
    assert not seen(lab, family, f"{address(lab, family, 'shop/web')}:8080")


@pytest.mark.parametrize("port, http", [(8080, True), (8081, True), (8082, False), (8083, False), (8084, True)])
def test_app_protocol_decides_before_the_name_of_a_port(lab, family, port, http):
    headers = seen(lab, family, f"web.shop:{port}")
    assert headers["host"] == f"web.shop:{port}"
    assert ("x-rule" in headers, "x-request-id" in headers) == (http, http)
