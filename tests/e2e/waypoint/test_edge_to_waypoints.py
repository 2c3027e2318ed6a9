"""An edge before services that have a waypoint: it goes to the waypoint over HBONE, whose rules hold behind its own; who was there
is told by the waypoint's log and by the application."""
import json
import os

import pytest

from lab import Lab, wait_until
from test_edges import AMBIENT, ask, becomes, echo, gateway, istio, pod, rules, text

RUN = os.getpid()
PORT = 8000
WAYPOINT = "shop/waypoint-1"
EDGE = "spiffe://cluster.local/ns/shop/sa/edge"


def behind_waypoint(objects):
    objects[1]["metadata"]["labels"] = {"istio.io/use-waypoint": "waypoint"}
    return objects


WORLD = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": AMBIENT}},
         {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": {"name": "waypoint", "namespace": "shop"},
          "spec": {"gatewayClassName": "culvert-waypoint", "listeners": [{"name": "mesh", "port": 15008, "protocol": "HBONE"}]}},
         pod("shop", "edge", None, {"istio": "ingress"}, image="culvert-waypoint"), pod("default", "outside", ["sleep", "100000"]),
         gateway("front", {PORT: ["*"]}), rules("inner", "inner.example", ["front"], "inner"),
         rules("open", "open.example", ["front"], "open")]
WORLD += behind_waypoint(echo("shop", "inner")) + echo("shop", "open")
# The same host by the rules of the mesh: at the waypoint, and nowhere else.
MESH = istio("VirtualService", "inner-mesh", {"hosts": ["inner"], "http": [
    {"headers": {"request": {"add": {"x-by": "waypoint"}}}, "route": [{"destination": {"host": "inner"}}]}]})
WORLD += [MESH]


@pytest.fixture(scope="module")
def lab():
    with Lab(f"ctl-inner-{RUN}", text(WORLD)) as made:
        yield made


def received(lab, host, family, *flags):
    """What the application received: its headers, in lists."""
    ip = lab.ips("shop/edge")[family]
    at = f"[{ip}]" if ":" in ip else ip
    said = lab.exec("default/outside", "curl", "-sS", "--max-time", "30", "-H", f"Host: {host}", *flags, f"http://{at}:{PORT}/",
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


def test_a_subset_behind_a_waypoint_is_refused(lab):
    subset = istio("VirtualService", "subset", {"hosts": ["subset.example"], "gateways": ["front"], "http": [
        {"route": [{"destination": {"host": "inner", "subset": "v1"}}]}]})
    lab.apply(text([istio("DestinationRule", "inner", {"host": "inner", "subsets": [{"name": "v1", "labels": {"app": "inner"}}]}), subset]))
    becomes(lab, PORT, "subset.example", 503)
    wait_until(lambda: "|v1|inner.shop.svc.cluster.local" in lab.logs("shop/edge"), "the edge's line with the subset's name")
    said = [one for one in lab.status()["conditions"] if one["name"] == "subset"]
    assert [one["reason"] for one in said] == ["SubsetBehindWaypoint"] and "v1 of inner.shop" in said[0]["message"], said
    assert ask(lab, PORT, "inner.example") == "inner"


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
