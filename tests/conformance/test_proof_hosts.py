"""Hosts at a real waypoint and an edge: short, full, wildcards, of any case, those of ServiceEntries, and those of which the only object
is broken; over both address families.
"""
import json

import pytest
import yaml

from proof_lab import EDGE_PORT, WAYPOINT, api_object, ask, pods, rule, to
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


# Rules that lead nowhere, as two mistakes make them: none at all, and a word that is no field.
BROKEN = {"none": [], "misspelt": [{"rout": [{"destination": {"host": "reviews"}}]}]}


@pytest.mark.parametrize("how", BROKEN)
@pytest.mark.parametrize("place", ["mesh", "edge"])
def test_a_host_with_a_broken_object_alone_says_so_until_it_is_mended_and_then_keeps_what_was_good(shop, family, with_objects, place, how):
    name = f"broken-{place}-{how}-{family}"  # of which there was never a good state
    at_edge = place == "edge"
    host = f"{name}.example" if at_edge else "reviews"
    proxy = "shop/edge" if at_edge else WAYPOINT
    good = marked(host, rule_of=name, gateways=["front" if at_edge else "mesh"], host="plain" if at_edge else "reviews")
    good["metadata"]["name"] = name
    broken = {**good, "spec": {**good["spec"], "http": BROKEN[how]}}
    to_edge = {"place": (shop.ips("shop/edge")[0 if family == 4 else 1], EDGE_PORT), "client": "default/outside"} if at_edge else {}

    def apply(what, accepted):
        done = shop.apply(shop.path(yaml.safe_dump(what)), check=False)
        assert (done.returncode == 0) == accepted and ("spec.http" in done.stdout + done.stderr) == (not accepted), done

    def asked(path):
        return ask(shop, family, path=path, authority=host, **to_edge)[0]
    try:
        apply(broken, False)
        assert asked(f"/{name}").get("status") == 503
        line, = wait_until(lambda: [one for one in shop.logs(proxy).splitlines() if f" /{name} HTTP/" in one], "the log's line")
        assert " 503 CR " in line, line
        apply(good, True)
        assert rule_of(asked("/mended")) == name
        apply(broken, False)
        assert rule_of(asked("/broken-again")) == name
        said = [one["reason"] for one in shop.status()["conditions"] if one["name"] == name and one["type"] == "Accepted"]
        assert said == ["LastGoodInForce"], said
    finally:
        shop.delete("VirtualService", f"shop/{name}", check=False)


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
