"""Hosts at a real waypoint and an edge: short, full, wildcards, of any case, and those of ServiceEntries; over both address families."""
import json

import pytest
import yaml

from proof_lab import EDGE_PORT, api_object, ask, pods, rule, to
from waypoint_lab import wait_until

FULL = "reviews.shop.svc.cluster.local"
OUTSIDE = "outside.example"
# The ServiceEntry's address of each family.
ADDRESSES = {4: "240.0.0.9", 6: "2001:2::9"}
PORT = 8090


def marked(*hosts, rule_of="all", gateways=("mesh",), host="reviews"):
    """A VirtualService whose rule says which it was, in the response."""
    return api_object("VirtualService", f"hosts-{rule_of}", {
        "hosts": list(hosts), "gateways": list(gateways),
        "http": [{"route": [{"destination": {"host": host}}], "headers": {"response": {"set": {"x-rule": rule_of}}}}]})


@pytest.fixture
def with_objects(shop):
    """Applies objects in place of the lab's own for reviews, until the test's end."""
    shop.delete("VirtualService", "shop/reviews", check=False)
    applied = []

    def apply(*objects):
        path = shop.path(yaml.safe_dump_all(objects))
        shop.apply(path)
        applied.append(path)
    yield apply
    for path in applied:
        shop.delete("-f", path)
    shop.apply(rule([to("v1")]))


def rule_of(answer):
    assert answer.get("status") == 200, answer
    return dict(answer["headers"]).get("x-rule")


@pytest.mark.parametrize("host", ["reviews", FULL, "Reviews.SHOP.svc.cluster.local", "*.shop.svc.cluster.local", "*.local"])
def test_a_service_is_meant_by_each_form_of_its_name(shop, family, with_objects, host):
    with_objects(marked(host))
    for authority in ("reviews", "REVIEWS", FULL.upper(), "reviews:80", "what.ever"):
        answer, = ask(shop, family, authority=authority)
        assert rule_of(answer) == "all", authority
        assert dict(json.loads(answer["body"])["headers"])["host"] == authority


@pytest.mark.parametrize("host", ["*.other.svc.cluster.local", "*.reviews.shop.svc.cluster.local", "reviews.other.svc.cluster.local"])
def test_a_host_that_is_none_of_a_services_names_says_nothing_about_it(shop, family, with_objects, host):
    with_objects(marked(host))
    assert rule_of(ask(shop, family)[0]) is None


def test_the_most_specific_host_counts(shop, family, with_objects):
    with_objects(marked("*.local", rule_of="wide"), marked("*.shop.svc.cluster.local", rule_of="narrow"))
    assert rule_of(ask(shop, family)[0]) == "narrow"
    with_objects(marked(FULL, rule_of="exact"))
    assert rule_of(ask(shop, family)[0]) == "exact"


def test_an_edge_asks_the_requests_authority(shop, family, with_objects):
    place = (shop.ips("shop/edge")[0 if family == 4 else 1], EDGE_PORT)
    with_objects(*(marked(host, rule_of=name, gateways=["front"], host="plain.shop.svc.cluster.local")
                   for name, host in (("wide", "*.shop.example"), ("exact", "www.shop.example"))))

    def asked(authority):
        return ask(shop, family, authority=authority, place=place, client="default/outside")[0]
    # Of the service there is one port only, which an edge takes.
    assert rule_of(asked("a.shop.example")) == "wide" and rule_of(asked("a.b.shop.example:8000")) == "wide"
    assert rule_of(asked("WWW.shop.Example")) == "exact"
    assert asked("shop.example")["status"] == 404 and asked("other.example")["status"] == 404


def entry(shop, hosts, addresses=None):
    ips = shop.ips("default/outside")
    return api_object("ServiceEntry", "outside", {
        "hosts": hosts, **({"addresses": addresses} if addresses else {}), "resolution": "STATIC",
        "ports": [{"number": PORT, "name": "http", "protocol": "HTTP", "targetPort": 8080}],
        "endpoints": [{"address": ip, "labels": {"version": "v1"}} for ip in ips]})


def test_rules_hold_for_a_host_outside_the_mesh_with_static_endpoints(shop, family, with_objects):
    with_objects(entry(shop, [OUTSIDE], list(ADDRESSES.values())), marked(OUTSIDE, host=OUTSIDE))
    place = (ADDRESSES[family], PORT)

    def reached():
        answer, = ask(shop, family, place=place, authority=OUTSIDE)
        return answer if answer.get("status") == 200 else None
    answer = wait_until(reached, "the entry's address is known")
    assert rule_of(answer) == "all" and pods([answer]) == ["outside"]
    assert dict(json.loads(answer["body"])["headers"])["host"] == OUTSIDE
    # A service of the mesh may send on to it, by a wildcard's rule, and to a subset.
    with_objects(
        api_object("DestinationRule", "outside", {"host": OUTSIDE, "subsets": [{"name": "v1", "labels": {"version": "v1"}}]}),
        api_object("VirtualService", "hosts-on", {"hosts": ["*.shop.svc.cluster.local"], "http": [
            {"rewrite": {"authority": OUTSIDE},
             "route": [{"destination": {"host": OUTSIDE, "port": {"number": PORT}, "subset": "v1"}}]}]}))
    answer, = ask(shop, family)
    assert pods([answer]) == ["outside"] and dict(json.loads(answer["body"])["headers"])["host"] == OUTSIDE
