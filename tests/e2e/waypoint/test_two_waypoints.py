"""Services with a waypoint each: a rule of the one that leads to the other's service goes by its waypoint, whose rules hold too; and
rules that lead to and fro end at a bound."""
import json
import os

import pytest

from lab import Lab, culvert, wait_until
from test_edge_to_waypoints import tapped
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


def explained(lab, path):
    said = json.loads(culvert("explain", "shop/client", "near.shop:8080", "--path", path, "--name", lab.name, "-o", "json").stdout)
    return said, [step["text"] for step in said["steps"]]


def test_what_explain_tells_of_both_waypoints_is_what_happens(lab):
    assert ask(lab, "/", 4)[0] == 200
    assert explained(lab, "/")[0]["ways"] == []
    said, words = explained(lab, "/far")
    way, = said["ways"]
    branch, = way["branches"]
    behind, = way["waypoints"]
    at_left, at_right = tapped(lab, "shop/left-1"), tapped(lab, "shop/right-1")
    status, body = ask(lab, "/far", 4)
    assert status == 200 and json.loads(body)["version"] == "far"
    seen = at_left()
    assert (seen["virtual_service"], seen["rule"]) == (said["request"]["virtual_service"], 0) == ("shop/near", 0)
    assert "shop/near http[0] matches" in " ".join(words)
    assert branch["endpoint"] == "shop/right-1" and branch["outcome"] == "answered" and seen["upstream_host"] == branch["target"]
    seen = at_right()
    assert (seen["virtual_service"], seen["rule"]) == (behind["request"]["virtual_service"], 1) == ("shop/far", 1)
    assert seen["source_principal"] == branch["source_identity"] == "spiffe://cluster.local/ns/shop/sa/left"
    assert [f"shop/{seen['destination_workload']}"] == [one["endpoint"] for one in branch["behind"]] == ["shop/far"]
    assert behind["ways"] == [] and behind["request"]["shares"] == [{"cluster": "far.shop.svc.cluster.local port 8080", "percent": 100.0}]
    assert "shop/left-1 goes to it, at shop/right-1" in " ".join(words)


def test_explain_tells_where_rules_that_lead_to_and_fro_end(lab):
    said, words = explained(lab, "/loop")
    ways, passed = said["ways"], []
    while ways:
        way, = ways
        passed += [branch["endpoint"] for branch in way["branches"]]
        ways = [one for behind in way["waypoints"] for one in behind["ways"]]
    assert passed == ["shop/right-1", "shop/left-1", "shop/right-1"]  # behind the first
    assert way["result"]["flag"] == "NR" and words[-1].startswith("shop/right-1 answers 508") and ask(lab, "/loop", 4)[0] == 508


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
        way, = explained(lab, "/v1")[0]["ways"]
        assert way["result"]["flag"] == "UH" and "cannot be told of subset v1" in way["result"]["reason"]
        # It is the service's own waypoint that chooses among its pods.
        moved = behind("far", "left")
        lab.apply(text(moved[1:]))
        wait_until(lambda: ask(lab, "/v1", 4)[0] == 200, "the subset behind its own waypoint")
        assert not said()
    finally:
        lab.apply(text(WORLD))
        lab.delete("DestinationRule", "shop/far")
