"""Waypoints in a lab: a Gateway starts them, labels lead to them. (Replaced under load: test_replaced_under_load.py.)"""
import json
import os
import textwrap

import pytest

from lab import APPS, Lab, culvert, wait_until

RUN = os.getpid()

WORLD = textwrap.dedent(f"""\
    apiVersion: v1
    kind: Namespace
    metadata: {{name: shop, labels: {{istio.io/dataplane-mode: ambient}}}}
    ---
    apiVersion: v1
    kind: Pod
    metadata: {{name: client, namespace: shop}}
    spec:
      serviceAccountName: client
      containers: [{{name: sleeper, command: [sleep, "100000"]}}]
    ---
    apiVersion: v1
    kind: Pod
    metadata: {{name: web, namespace: shop, labels: {{app: web}}}}
    spec:
      serviceAccountName: web
      containers:
      - name: http
        command: [python3, {APPS}/http_echo.py, "8080"]
        ports: [{{containerPort: 8080}}]
      - name: metrics
        command: [python3, {APPS}/http_echo.py, "9090"]
        ports: [{{containerPort: 9090}}]
    ---
    apiVersion: v1
    kind: Service
    metadata: {{name: web, namespace: shop}}
    spec: {{ipFamilyPolicy: PreferDualStack, selector: {{app: web}}, ports: [{{name: http, port: 8080}}]}}
    """)

EDGE = textwrap.dedent("""\
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: front, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers: [{port: {number: 8000, name: http, protocol: HTTP}, hosts: ["*"]}]
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: front, namespace: shop}
    spec:
      hosts: [www.example]
      gateways: [front]
      http: [{route: [{destination: {host: web}}]}]
    ---
    apiVersion: v1
    kind: Pod
    metadata: {name: edge, namespace: shop, labels: {istio: ingressgateway}}
    spec:
      serviceAccountName: edge
      containers: [{name: proxy, image: culvert-waypoint}]
    ---
    apiVersion: v1
    kind: Pod
    metadata: {name: outside, namespace: default}
    spec: {containers: [{name: sleeper, command: [sleep, "100000"]}]}
    """)

# Each has fields that are not honoured, and is served without them.
WITHOUT_EFFECT = textwrap.dedent("""\
    apiVersion: v1
    kind: Service
    metadata: {name: web, namespace: shop}
    spec:
      selector: {app: web}
      ports: [{name: http, port: 8080}]
      sessionAffinity: ClientIP
      internalTrafficPolicy: Local
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: told, namespace: shop}
    spec:
      gatewayClassName: told
      listeners: [{name: mesh, port: 15008, protocol: HBONE, hostname: a.example, allowedRoutes: {kinds: [{kind: TCPRoute}]}}]
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: GatewayClass
    metadata: {name: told}
    spec: {controllerName: example/told, parametersRef: {group: a, kind: B, name: c}}
    ---
    apiVersion: networking.istio.io/v1
    kind: ServiceEntry
    metadata: {name: inside, namespace: shop}
    spec: {hosts: [inside.example], location: MESH_INTERNAL, resolution: STATIC, ports: [{number: 80, name: http}]}
    """)
SANS = textwrap.dedent("""\
    apiVersion: networking.istio.io/v1
    kind: ServiceEntry
    metadata: {name: sans, namespace: shop}
    spec: {hosts: [sans.example], resolution: STATIC, ports: [{number: 80, name: http}], subjectAltNames: [spiffe://a/ns/b/sa/c]}
    """)

WEB = "http://web:8080/"


def waypoint(word, *args, lab, check=True):
    return culvert("waypoint", word, "--name", lab.name, *args, check=check)


def listed(lab):
    return json.loads(waypoint("list", "-o", "json", lab=lab).stdout)


def condition(lab, kind, name):
    return next((c for c in lab.status()["conditions"] if c["kind"] == kind and c["name"] == name), None)


@pytest.fixture
def lab():
    with Lab(f"optin-{RUN}", WORLD) as made:
        yield made


def test_apply_enrols_the_namespace_and_delete_refuses_what_still_names_it(lab):
    waypoint("apply", "-n", "shop", "--enroll-namespace", lab=lab)
    assert lab.pod("shop/waypoint-1")["ready"] and not lab.pod("shop/waypoint-1")["meshed"]
    one, = listed(lab)
    assert one["services"] == ["shop/web"] and one["workloads"] == [] and one["accepted"]
    assert lab.curl("shop/client", WEB)[0] == 0
    assert lab.pod("shop/web")["meshed"], "the namespace kept its other labels"
    assert waypoint("status", lab=lab).returncode == 0
    said = waypoint("delete", "-n", "shop", lab=lab).stderr
    assert "still names it" in said
    assert lab.curl("shop/client", WEB)[0] != 0
    assert condition(lab, "Namespace", "shop")["reason"] == "WaypointMissing"
    ip = lab.ips("shop/web")[0]
    assert lab.curl("shop/client", f"http://{ip}:9090/")[0] == 0, "a port of no service is as before"
    assert lab.status()["pods"] and all(p["name"] != "waypoint-1" for p in lab.status()["pods"])
    waypoint("apply", "-n", "shop", "--enroll-namespace", lab=lab)
    waypoint("delete", "-n", "shop", "--unenroll-namespace", lab=lab)
    assert lab.curl("shop/client", WEB)[0] == 0


def test_a_dead_waypoint_is_not_bypassed_and_comes_back(lab):
    waypoint("apply", "-n", "shop", "--enroll-namespace", lab=lab)
    lab.kill("waypoint", "shop/waypoint", hold=True)
    assert lab.curl("shop/client", WEB)[0] != 0
    lab.restart("waypoint", "shop/waypoint")
    assert lab.curl("shop/client", WEB)[0] == 0


def test_the_address_of_a_pod_obeys_its_services_rules_where_the_waypoint_is_for_all(lab):
    lab.apply(textwrap.dedent("""\
        apiVersion: networking.istio.io/v1
        kind: VirtualService
        metadata: {name: web, namespace: shop}
        spec:
          hosts: [web]
          http:
          - match: [{uri: {prefix: /tea}}]
            directResponse: {status: 418}
          - route: [{destination: {host: web}}]
        """))
    waypoint("apply", "-n", "shop", "--enroll-namespace", "--for", "all", lab=lab)
    for ip in lab.ips("shop/web"):
        at = f"[{ip}]" if ":" in ip else ip
        for path, status in (("/tea", "418"), ("/", "200")):
            done = lab.exec("shop/client", "curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "60",
                            f"http://{at}:8080{path}")
            assert done.stdout == status, (ip, path, done.stdout, done.stderr)


def test_an_edge_serves_the_gateway_that_selects_it(lab):
    lab.apply(EDGE)
    ip = lab.ips("shop/edge")[0]
    done = lab.exec("default/outside", "curl", "-sS", "--max-time", "60", "-H", "Host: www.example",
                    f"http://{ip}:8000/")
    assert done.returncode == 0 and json.loads(done.stdout), done.stdout + done.stderr
    assert condition(lab, "Gateway", "front") is None, "what is well is not listed"
    lab.apply(EDGE[:EDGE.index("---")].replace("8000", "8001"))
    wait_until(lambda: lab.exec("default/outside", "curl", "-sS", "--max-time", "60", "-H", "Host: www.example",
                                f"http://{ip}:8001/").returncode == 0, "the Gateway's new port")


def test_routes_prints_what_a_waypoint_asks_in_order(lab):
    lab.apply(textwrap.dedent("""\
        apiVersion: networking.istio.io/v1
        kind: VirtualService
        metadata: {name: web, namespace: shop}
        spec:
          hosts: [web]
          http:
          - match: [{uri: {prefix: /old}}]
            redirect: {uri: /new}
          - route: [{destination: {host: web}}]
            timeout: 3s
        """))
    assert condition(lab, "VirtualService", "web")["reason"] == "NotServed"
    text = culvert("routes", "web", "--name", lab.name).stdout
    assert text.index('uri prefix "/old"') < text.index("timeout 3 s") and "shop/web http[1]" in text
    host, = json.loads(culvert("routes", "--name", lab.name, "-o", "json").stdout)
    assert [r["match"] for r in host["rules"]] == ['uri prefix "/old"', "every request"]
    unsupported = culvert("routes", "--unsupported").stdout
    assert "VirtualService.tcp" in unsupported
    missing = culvert("routes", "wbe", "--name", lab.name, check=False)
    assert missing.returncode == 1 and "no VirtualService speaks of wbe" in missing.stderr


def test_fields_that_are_not_honoured_are_told_of_by_name_or_refuse_the_object(lab):
    lab.apply(WITHOUT_EFFECT)
    assert lab.curl("shop/client", WEB)[0] == 0, "it is served all the same"
    status = lab.status()
    told = {(c["kind"], c["name"]): c["message"] for c in status["conditions"] if c["type"] == "AllHonoured"}
    fields = {("Service", "web"): ("spec.sessionAffinity", "spec.internalTrafficPolicy"),
              ("KubernetesGateway", "told"): ("spec.listeners[0].hostname", "spec.listeners[0].allowedRoutes.kinds"),
              ("GatewayClass", "told"): ("spec.parametersRef",), ("ServiceEntry", "inside"): ("spec.location",)}
    assert told.keys() == fields.keys()
    listed = {row["field"]: row for row in json.loads(culvert("routes", "--unsupported", "-o", "json").stdout)}
    words = culvert("status", "--name", lab.name).stdout
    for key, paths in fields.items():
        why = [listed[path.rsplit(".", 1)[1]]["why"] for path in paths]
        assert told[key] == "; ".join(f"{path}: {one}" for path, one in zip(paths, why, strict=True))
        assert told[key] in words
        for path, one in zip(paths, why, strict=True):
            assert any(f"{path}: has no effect: {one}" in line for line in status["diagnostics"]), (path, status["diagnostics"])
    assert listed["sessionAffinity"]["consequence"] == "no effect"
    lab.apply(SANS, check=False)
    assert condition(lab, "ServiceEntry", "sans")["reason"] == "Refused"
    assert any("spec.subjectAltNames" in line for line in lab.status()["diagnostics"])
    assert listed["subjectAltNames"]["consequence"] == "object refused"
