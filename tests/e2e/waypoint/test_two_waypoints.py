"""Services with a waypoint each: a rule of the one that leads to the other's service goes by its waypoint, whose rules hold too; and
rules that lead to and fro end at a bound."""
import json
import os

import pytest

from lab import Lab, wait_until
from test_edges import AMBIENT, echo, istio, pod, text

RUN = os.getpid()
PASSED = 4  # kMaxWaypointsPassed


def waypoint(name):
    return {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": {"name": name, "namespace": "shop"},
            "spec": {"gatewayClassName": "culvert-waypoint", "listeners": [{"name": "mesh", "port": 15008, "protocol": "HBONE"}]}}


def behind(name, gateway):
    """A pod and its service, which has that waypoint."""
    objects = echo("shop", name)
    objects[1]["metadata"]["labels"] = {"istio.io/use-waypoint": gateway}
    return objects


def route(prefix, to, **more):
    return {"match": [{"uri": {"prefix": prefix}}], "route": [{"destination": {"host": to}}],
            "headers": {"request": {"add": {"x-by": more["by"]}}}}


WORLD = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": AMBIENT}},
         waypoint("left"), waypoint("right"), *behind("near", "left"), *behind("far", "right"),
         istio("VirtualService", "near", {"hosts": ["near"], "http": [
             route("/far", "far", by="left"), route("/loop", "far", by="left"), route("/", "near", by="left")]}),
         istio("VirtualService", "far", {"hosts": ["far"], "http": [
             route("/loop", "near", by="right"), route("/", "far", by="right")]}),
         pod("shop", "client", ["sleep", "100000"])]


@pytest.fixture(scope="module")
def lab():
    with Lab(f"mend-two-{RUN}", text(WORLD)) as made:
        wait_until(lambda: made.curl("shop/client", "http://near.shop:8080/")[0] == 0, "the waypoint serves", 60)
        yield made


def ask(lab, path, family):
    done = lab.exec("shop/client", "curl", "-sS", f"-{family}", "--max-time", "60", "-w", "\n%{http_code}",
                    f"http://near.shop:8080{path}")
    assert done.returncode == 0, done.stderr
    body, _, status = done.stdout.rpartition("\n")
    return int(status), body


def lines(lab, gateway, path):
    return [line for line in lab.logs(f"shop/{gateway}-1").splitlines() if f" {path} " in line]


@pytest.mark.parametrize("family", [4, 6])
def test_a_rule_that_leads_to_a_service_with_another_waypoint_goes_by_that(lab, family):
    for path, server, by in (("/", "near", ["left"]), (f"/far/{family}", "far", ["left", "right"])):
        status, body = ask(lab, path, family)
        assert status == 200, body
        said = json.loads(body)
        headers = [(name.lower(), value) for name, value in said["headers"]]
        assert said["version"] == server
        assert [value for name, value in headers if name == "x-by"] == by
        assert not [name for name, _ in headers if name.startswith("x-culvert")], headers
    wait_until(lambda: lines(lab, "right", f"/far/{family}"), "the other waypoint's line")
    # For that one the first is the client.
    assert lab.ips("shop/left-1")[family == 6] in lines(lab, "right", f"/far/{family}")[-1]
    assert dict(headers)["x-forwarded-client-cert"].endswith("URI=spiffe://cluster.local/ns/shop/sa/left"), headers


def test_rules_that_lead_to_and_fro_end_at_a_bound(lab):
    status, body = ask(lab, "/loop", 4)
    assert (status, body) == (508, "the request has passed too many waypoints")
    wait_until(lambda: sum(len(lines(lab, one, "/loop")) for one in ("left", "right")) == PASSED, "a line of each pass")
    assert any("too_many_waypoints" in line for line in lines(lab, "right", "/loop"))
    assert ask(lab, "/", 4)[0] == 200


SUBSET = [istio("DestinationRule", "far", {"host": "far", "subsets": [{"name": "v1", "labels": {"app": "far"}}]}),
          istio("VirtualService", "near", {"hosts": ["near"], "http": [
              {"match": [{"uri": {"prefix": "/v1"}}], "route": [{"destination": {"host": "far", "subset": "v1"}}]},
              route("/", "near", by="left")]})]


def test_a_subset_of_a_service_with_another_waypoint_is_refused_by_its_field(lab):
    def said():
        return [one["message"] for one in lab.status()["conditions"] if one["reason"] == "SubsetBehindWaypoint"]
    try:
        lab.apply(text(SUBSET))
        wait_until(lambda: ask(lab, "/v1", 4)[0] == 503, "503 of the first waypoint")
        wait_until(lambda: any("|v1|far.shop" in line and " UH " in line for line in lines(lab, "left", "/v1")), "its line")
        assert not lines(lab, "right", "/v1")
        told, = said()
        assert "spec.http[0].route[0].destination.subset (v1 of far.shop.svc.cluster.local) is answered 503" in told
        assert ask(lab, "/", 4)[0] == 200
        # It is the service's own waypoint that chooses among its pods.
        moved = behind("far", "left")
        lab.apply(text(moved[1:]))
        wait_until(lambda: ask(lab, "/v1", 4)[0] == 200, "the subset behind its own waypoint")
        assert not said()
    finally:
        lab.apply(text(WORLD))
        lab.delete("DestinationRule", "shop/far")
