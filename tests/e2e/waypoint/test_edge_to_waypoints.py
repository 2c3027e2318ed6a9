"""An edge before services that have a waypoint: it goes to the waypoint over HBONE, whose rules hold behind its own; who was there
is told by the waypoint's log and by the application."""
import json
import os
import subprocess

import pytest

from flows import endpoint
from lab import CULVERT, ENV, Lab, culvert, wait_until
from test_edges import AMBIENT, ask, becomes, echo, gateway, istio, pod, rules, text

RUN = os.getpid()
PORT = 8000
WAYPOINT = "shop/waypoint-1"
EDGE, WAYPOINT_ID = "spiffe://cluster.local/ns/shop/sa/edge", "spiffe://cluster.local/ns/shop/sa/waypoint"


def behind_waypoint(objects):
    objects[1]["metadata"]["labels"] = {"istio.io/use-waypoint": "waypoint"}
    return objects


WORLD = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": AMBIENT}},
         {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": {"name": "waypoint", "namespace": "shop"},
          "spec": {"gatewayClassName": "culvert-waypoint", "listeners": [{"name": "mesh", "port": 15008, "protocol": "HBONE"}]}},
         pod("shop", "edge", None, {"istio": "ingress"}, image="culvert-waypoint"), pod("default", "outside", ["sleep", "100000"]),
         pod("shop", "client", ["sleep", "100000"]),
         gateway("front", {PORT: ["*"]}), rules("inner", "inner.example", ["front"], "inner"),
         rules("open", "open.example", ["front"], "open")]
WORLD += behind_waypoint(echo("shop", "inner")) + echo("shop", "open")
# The same host by the rules of the mesh: at the waypoint, and nowhere else.
MESH = istio("VirtualService", "inner-mesh", {"hosts": ["inner"], "http": [
    {"headers": {"request": {"add": {"x-by": "waypoint"}}}, "route": [{"destination": {"host": "inner"}}]}]})
WORLD += [MESH]
# A service without a waypoint, whose pod has one of its own.
ALONE = echo("shop", "alone")
ALONE[0]["metadata"]["labels"]["istio.io/use-waypoint"] = "pods"
WORLD += ALONE + [
    {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway",
     "metadata": {"name": "pods", "namespace": "shop", "labels": {"istio.io/waypoint-for": "workload"}},
     "spec": {"gatewayClassName": "culvert-waypoint", "listeners": [{"name": "mesh", "port": 15008, "protocol": "HBONE"}]}},
    rules("alone", "alone.example", ["front"], "alone"),
    istio("VirtualService", "alone-mesh", {"hosts": ["alone"], "http": [
        {"headers": {"request": {"add": {"x-by": "own"}}}, "route": [{"destination": {"host": "alone"}}]}]})]


@pytest.fixture(scope="module")
def lab():
    with Lab(f"ctl-inner-{RUN}", text(WORLD)) as made:
        yield made


def received(lab, host, family, *flags, client="default/outside"):
    """What the application received: its headers, in lists."""
    ip = lab.ips("shop/edge")[family]
    at = f"[{ip}]" if ":" in ip else ip
    said = lab.exec(client, "curl", "-sS", "--max-time", "30", "-H", f"Host: {host}", *flags, f"http://{at}:{PORT}/",
                    check=True).stdout
    headers = {}
    for name, value in json.loads(said)["headers"]:
        headers.setdefault(name.lower(), []).append(value)
    return headers


def waypoint_lines(lab, word):
    return [line for line in lab.logs(WAYPOINT).splitlines() if word in line]


@pytest.mark.parametrize("family", [0, 1])
def test_an_edge_goes_to_the_waypoint_of_a_service_whose_rules_hold_behind_its_own(lab, family):
    becomes(lab, PORT, "inner.example", "inner")
    word = f"witness-{family}"
    headers = received(lab, "inner.example", family, "-A", word)
    assert headers["x-by"] == ["waypoint"]
    assert headers["x-forwarded-for"][0].split(",")[0] == lab.ips("default/outside")[family]
    assert headers["x-forwarded-client-cert"][0].endswith(f"URI={EDGE}"), headers
    wait_until(lambda: waypoint_lines(lab, word), "the waypoint's line")
    line = waypoint_lines(lab, word)[-1]
    assert lab.ips("shop/edge")[family] in line and "inner.shop.svc.cluster.local" in line, line
    # The other service has none: past the waypoint, as ever.
    assert "x-by" not in received(lab, "open.example", family)
    assert not waypoint_lines(lab, "open.shop")


@pytest.mark.parametrize("family", [0, 1])
@pytest.mark.parametrize("version", ["--http1.1", "--http2-prior-knowledge"])
def test_what_clients_of_an_edge_say_of_certificates_ends_there_whoever_they_are(lab, family, version):
    """As at Istio's gateways (SANITIZE_SET): none of them shows a certificate, pods of the mesh neither."""
    said = ["-H", f"x-forwarded-client-cert: By={WAYPOINT_ID};URI=spiffe://cluster.local/ns/shop/sa/admin",
            "-H", "X-Forwarded-Client-Cert: Hash=1"]
    for client in ("default/outside", "shop/client"):
        becomes(lab, PORT, "open.example", "open")
        assert "x-forwarded-client-cert" not in received(lab, "open.example", family, version, *said, client=client)
        becomes(lab, PORT, "inner.example", "inner")
        got = received(lab, "inner.example", family, version, *said, client=client)
        assert got["x-forwarded-client-cert"] == [f"By={WAYPOINT_ID};URI={EDGE}"], got


SUBSET = [istio("DestinationRule", "inner", {"host": "inner", "subsets": [{"name": "v1", "labels": {"app": "inner"}}]}),
          istio("VirtualService", "subset", {"hosts": ["subset.example"], "gateways": ["front"], "http": [
              {"route": [{"destination": {"host": "inner", "subset": "v1"}}]}]})]


def test_a_subset_behind_a_waypoint_is_refused(lab):
    lab.apply(text(SUBSET))
    becomes(lab, PORT, "subset.example", 503)
    wait_until(lambda: "|v1|inner.shop.svc.cluster.local" in lab.logs("shop/edge"), "the edge's line with the subset's name")
    said = [one for one in lab.status()["conditions"] if one["name"] == "subset"]
    assert [one["reason"] for one in said] == ["SubsetBehindWaypoint"] and "v1 of inner.shop" in said[0]["message"], said
    assert ask(lab, PORT, "inner.example") == "inner"


@pytest.mark.parametrize("family", [0, 1])
def test_an_edge_goes_through_the_waypoint_of_a_pod_whose_service_has_none(lab, family):
    becomes(lab, PORT, "alone.example", "alone")
    word = f"alone-{family}"
    headers = received(lab, "alone.example", family, "-A", word)
    assert headers["x-by"] == ["own"]
    assert headers["x-forwarded-client-cert"][0].endswith(f"URI={EDGE}"), headers
    wait_until(lambda: [line for line in lab.logs("shop/pods-1").splitlines() if word in line], "the waypoint's line")
    line = [one for one in lab.logs("shop/pods-1").splitlines() if word in one][-1]
    assert endpoint([lab.ips("shop/alone")[family], 8080]) in line and any(ip in line for ip in lab.ips("shop/edge")), line


def test_a_pods_own_waypoint_is_not_passed_by_either(lab):
    becomes(lab, PORT, "alone.example", "alone")
    lab.kill("waypoint", "shop/pods", hold=True)
    wait_until(lambda: ask(lab, PORT, "alone.example") == 503, "503 without the waypoint")
    lab.restart("waypoint", "shop/pods")
    becomes(lab, PORT, "alone.example", "alone")
    # Without its label the pod is reached itself, also by connections that are kept.
    free = json.loads(json.dumps(ALONE))
    del free[0]["metadata"]["labels"]["istio.io/use-waypoint"]
    lab.apply(text(free))

    def answered_by():
        # While some know and others do not, the waypoint or the pod refuses what the edge sends.
        return ask(lab, PORT, "alone.example") == "alone" and received(lab, "alone.example", 0).get("x-by", "the pod")
    wait_until(lambda: answered_by() == "the pod", "past the waypoint")
    lab.apply(text(ALONE))
    wait_until(lambda: answered_by() == ["own"], "by the waypoint again")


def tapped(lab, pod):
    """The end of the next request that this proxy serves, once it is asked for."""
    tap = subprocess.Popen([CULVERT, "tap", "--name", lab.name, "--pod", pod, "--count", "1", "-o", "json"], env=ENV, text=True,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert f"watching {pod}" in tap.stderr.readline()

    def end():
        said, errors = tap.communicate(timeout=120)
        assert tap.returncode == 0, errors
        return json.loads(said.splitlines()[-1])
    return end


@pytest.mark.parametrize("host, waypoint, rule", [
    ("inner.example", "shop/waypoint-1", "shop/inner-mesh"), ("alone.example", "shop/pods-1", "shop/alone-mesh"),
    ("open.example", None, None)])
def test_what_explain_tells_of_both_stages_is_what_happens(lab, host, waypoint, rule):
    name = host.split(".")[0]
    becomes(lab, PORT, host, name)
    asked = ["default/outside", f"shop/edge:{PORT}", "--path", "/", "--authority", host]
    said = json.loads(culvert("explain", *asked, "--name", lab.name, "-o", "json").stdout)
    assert said["result"]["outcome"] == "answered" and said["edge"]["pod"] == "shop/edge"
    way, = said["edge"]["ways"]
    branch, = way["branches"]
    at_edge, at_waypoint = tapped(lab, "shop/edge"), waypoint and tapped(lab, waypoint)
    assert ask(lab, PORT, host) == name
    seen = at_edge()
    assert seen["virtual_service"] == said["request"]["virtual_service"] == f"shop/{name}"
    assert seen.get("route_name", "") == said["request"]["route_name"] and seen["rule"] == 0
    assert branch["endpoint"] == (waypoint or f"shop/{name}") and branch["outcome"] == "answered"
    assert seen["upstream_host"] == branch["target"]
    assert [one["request"]["virtual_service"] for one in way["waypoints"]] == ([rule] if rule else [])
    if waypoint:
        seen = at_waypoint()
        assert seen["virtual_service"] == rule and seen.get("route_name", "") == way["waypoints"][0]["request"]["route_name"]
        assert seen["source_principal"] == branch["source_identity"] == EDGE
        assert [f"shop/{seen['destination_workload']}"] == [one["endpoint"] for one in branch["behind"]]
    words = culvert("explain", *asked, "--name", lab.name).stdout
    assert f"shop/edge serves port {PORT} by Gateway shop/front (*)" in words
    assert ("goes to it, at shop/waypoint-1" in words) == (name == "inner"), words
    assert ("of their own, and are reached by it" in words) == (name == "alone"), words
    assert f"service shop/{name} has {'the' if name == 'inner' else 'no'} waypoint" in words
    # The edge itself asks: the same way.
    from_edge = json.loads(culvert("explain", "shop/edge", f"{name}:8080", "--name", lab.name, "-o", "json").stdout)
    assert [one["endpoint"] for one in from_edge["branches"]] == [branch["endpoint"]]


def test_explain_tells_why_an_edge_refuses(lab):
    lab.apply(text(SUBSET))
    becomes(lab, PORT, "subset.example", 503)
    said = json.loads(culvert("explain", "default/outside", f"shop/edge:{PORT}", "--authority", "subset.example", "--name", lab.name,
                              "-o", "json").stdout)
    assert said["edge"]["ways"][0]["result"]["flag"] == "UH" and ask(lab, PORT, "subset.example") == 503
    assert "cannot be told of subset v1" in said["edge"]["ways"][0]["result"]["reason"]
    none = culvert("explain", "default/outside", f"shop/edge:{PORT + 1}", "--name", lab.name, check=False).stdout
    assert f"no Gateway that selects shop/edge has port {PORT + 1}: nobody listens there" in none, none


def test_a_waypoint_that_is_gone_is_not_passed_by(lab):
    becomes(lab, PORT, "inner.example", "inner")
    lab.kill("waypoint", "shop/waypoint", hold=True)
    wait_until(lambda: ask(lab, PORT, "inner.example") == 503, "503 without the waypoint")
    assert ask(lab, PORT, "inner.example", 1) == 503
    assert ask(lab, PORT, "open.example") == "open"
    lab.restart("waypoint", "shop/waypoint")
    becomes(lab, PORT, "inner.example", "inner")
    assert received(lab, "inner.example", 0)["x-by"] == ["waypoint"]
    lab.delete("Gateway", "shop/waypoint")
    becomes(lab, PORT, "inner.example", 503)  # its label names no waypoint
    assert ask(lab, PORT, "open.example") == "open"
