"""Opting in, by traffic: a waypoint of another namespace, one for workloads, one for nothing, of which class, a ServiceEntry's own label,
and what appProtocol makes of a port; both families.
"""
import json
import os

import pytest

from flows import NODES, client_pod, meshed
from lab import APPS, Lab, wait_until

PORTS = """[{name: http, port: 8080}, {name: tcp-after-all, port: 8081, targetPort: 8080, appProtocol: http},
            {name: http-not, port: 8082, targetPort: 8080, appProtocol: tcp}, {name: tcp-by-name, port: 8083, targetPort: 8080},
            {name: http2-not, port: 8084, targetPort: 8080, appProtocol: http}]"""


def gateway(name, purpose, namespaces, of_class="culvert-waypoint"):
    return f"""---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: {name}, namespace: gates, labels: {{istio.io/waypoint-for: {purpose}}}}}
spec:
  gatewayClassName: {of_class}
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


# Istio's name for its class, of a controller of ours; and one that is served by somebody else.
CLASSES = "".join(f"""---
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {{name: {name}}}
spec: {{controllerName: {controller}}}
""" for name, controller in (("istio-waypoint", "culvert.io/waypoint-controller"), ("other-waypoint", "other.example/controller")))
ENTRIES = {"labelled": 9, "plain": 10}  # ServiceEntries of namespace home, and the last part of their addresses


def entry(name, ips):
    """Leads to a pod outside the mesh. Only of the one that is labelled a waypoint obeys the rule."""
    labels = "{istio.io/use-waypoint: classy, istio.io/use-waypoint-namespace: gates}" if name == "labelled" else "{}"
    number, host = ENTRIES[name], f"{name}.example"
    return f"""---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: {name}, namespace: home, labels: {labels}}}
spec:
  hosts: [{host}]
  addresses: [240.0.0.{number}, "2001:2::{number:x}"]
  resolution: STATIC
  ports: [{{number: 8080, name: http, protocol: HTTP}}]
  endpoints: [{', '.join(f'{{address: "{ip}"}}' for ip in ips)}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: {name}, namespace: home}}
spec: {{hosts: [{host}], http: [{{route: [{{destination: {{host: {host}}}, headers: {{request: {{set: {{x-rule: {name}}}}}}}}}]}}]}}
"""


WORLD = (NODES + meshed("gates", "work", "home") + namespace("shop", "common") + namespace("strange", "closed")
         + gateway("common", "service", "{from: Selector, selector: {matchLabels: {kubernetes.io/metadata.name: shop}}}")
         + gateway("closed", "service", "{from: Same}") + gateway("pods", "workload", "{from: All}")
         + server("shop", "web") + server("strange", "web")
         + server("work", "solo", ", istio.io/use-waypoint: pods, istio.io/use-waypoint-namespace: gates")
         + CLASSES + gateway("classy", "service", "{from: All}", "istio-waypoint") + gateway("nothing", "none", "{from: All}")
         + gateway("others", "service", "{from: All}", "other-waypoint")
         + "".join(server("work", f"of-{name}").replace("kind: Service\nmetadata: {", "kind: Service\nmetadata: {labels: "
                   f"{{istio.io/use-waypoint: {name}, istio.io/use-waypoint-namespace: gates}}, ") for name in ("classy", "nothing", "others"))
         + server("default", "outside") + client_pod("home", "client", "east"))


@pytest.fixture(scope="module")
def lab():
    with Lab(f"proof-opt-{os.getpid()}", WORLD) as made:
        made.apply("".join(entry(name, made.ips("default/outside")) for name in ENTRIES))
        for place in ("web.shop:8080", "of-classy.work:8080"):
            wait_until(lambda place=place: "x-rule" in seen(made, 4, place), "the waypoint serves", 60)
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


def test_a_gateway_of_istios_class_is_ours_where_its_class_names_our_controller(lab, family):
    before = requests(lab, "gates/classy-1")
    assert seen(lab, family, "of-classy.work:8080")["x-rule"] == "of-classy"
    wait_until(lambda: requests(lab, "gates/classy-1") == before + 1, "its log has a line")
    # Of a class that somebody else serves it is no waypoint, and nobody goes past it.
    assert not seen(lab, family, "of-others.work:8080")
    assert [one["reason"] for one in bound(lab, "of-others")] == ["NotAWaypoint"]
    assert "gates/others-1" not in [f"{pod['namespace']}/{pod['name']}" for pod in lab.status()["pods"]]


def bound(lab, name):
    return [one for one in lab.status()["conditions"] if one["name"] == name and one["type"] == "WaypointBound"]


def test_a_waypoint_for_nothing_is_gone_past(lab, family):
    headers = seen(lab, family, "of-nothing.work:8080")
    assert headers["host"] == "of-nothing.work:8080" and "x-rule" not in headers and "x-request-id" not in headers
    assert not requests(lab, "gates/nothing-1")
    assert [one["reason"] for one in bound(lab, "of-nothing")] == ["UnsupportedTrafficType"]


def test_a_service_entry_is_served_by_its_own_labels_waypoint(lab, family):
    def place(name):
        return f"240.0.0.{ENTRIES[name]}:8080" if family == 4 else f"[2001:2::{ENTRIES[name]:x}]:8080"
    before = requests(lab, "gates/classy-1")
    labelled = wait_until(lambda: seen(lab, family, place("labelled")), "the entry's address is known")
    assert labelled["x-rule"] == "labelled"
    wait_until(lambda: requests(lab, "gates/classy-1") > before, "its log has a line")
    # Beside it one without the label: no waypoint, no rule.
    plain = wait_until(lambda: seen(lab, family, place("plain")), "the other's address is known")
    assert "x-rule" not in plain and "x-request-id" not in plain
    assert not bound(lab, "labelled")  # a status is told of what does not hold


@pytest.mark.parametrize("port, http", [(8080, True), (8081, True), (8082, False), (8083, False), (8084, True)])
def test_app_protocol_decides_before_the_name_of_a_port(lab, family, port, http):
    headers = seen(lab, family, f"web.shop:{port}")
    assert headers["host"] == f"web.shop:{port}"
    assert ("x-rule" in headers, "x-request-id" in headers) == (http, http)
