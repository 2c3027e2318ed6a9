"""Services with a waypoint each: a rule of the one that leads to the other's service goes by its waypoint, whose rules hold too; and
rules that lead to and fro end at a bound."""
import json
import os
import re

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


def ask(lab, path, family, *flags, host="near"):
    done = lab.exec("shop/client", "curl", "-sS", f"-{family}", "--max-time", "60", "-w", "\n%{http_code}", *flags,
                    f"http://{host}.shop:8080{path}")
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


ACCOUNTS = "spiffe://cluster.local/ns/shop/sa/"
# What a client of the mesh says of others and of itself.
FORGED = [f"By={ACCOUNTS}left;URI=spiffe://cluster.local/ns/bank/sa/admin", "Hash=1"]
SAID = ["-H", f"x-forwarded-client-cert: {FORGED[0]}", "-H", f"X-Forwarded-Client-Cert: {FORGED[1]}"]


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("version", ["--http1.1", "--http2-prior-knowledge"])
def test_what_a_client_forwards_of_certificates_stays_and_each_waypoint_adds_who_asked_it(lab, family, version):
    """As Istio's waypoints do (APPEND_FORWARD): the last element is the waypoint's own word, whatever stands before it."""
    at_left, at_right = f"By={ACCOUNTS}left;URI={ACCOUNTS}client", f"By={ACCOUNTS}right;URI={ACCOUNTS}left"
    for path, added in (("/", [at_left]), ("/far", [at_left, at_right])):
        for said, before in ((SAID, FORGED), ([], []), (["-H", "x-forwarded-client-cert;"], [])):
            status, body = ask(lab, path, family, version, *said)
            assert status == 200, body
            told = [value for name, value in json.loads(body)["headers"] if name == "x-forwarded-client-cert"]
            assert len(told) == 1 and re.split(", ?", told[0]) == before + added, told


def test_rules_that_lead_to_and_fro_end_at_a_bound(lab):
    status, body = ask(lab, "/loop", 4)
    assert (status, body) == (508, "the request has passed too many waypoints")
    wait_until(lambda: sum(len(lines(lab, one, "/loop")) for one in ("left", "right")) == PASSED, "a line of each pass")
    assert any("too_many_waypoints" in line for line in lines(lab, "right", "/loop"))
    assert ask(lab, "/", 4)[0] == 200
