"""Weights of a ServiceEntry's endpoints at a real waypoint, by every way of balancing, over both address families."""
import pytest
import yaml

from proof_lab import api_object, ask, pods, rule

ADDRESSES = {4: "240.0.0.19", 6: "2001:db8:9::19"}
REQUESTS, POINTS = 500, 11  # six standard deviations


def books(lab, weights):
    """books.example at pods of the lab, with their weights."""
    endpoints = [{"address": lab.ips(f"shop/{name}")[0], "weight": weight, "ports": {"http": 8080}} for name, weight in weights.items()]
    return api_object("ServiceEntry", "books", {
        "hosts": ["books.example"], "addresses": list(ADDRESSES.values()), "resolution": "STATIC",
        "ports": [{"number": 80, "name": "http", "protocol": "HTTP"}], "endpoints": endpoints})


def balanced(how):
    return api_object("DestinationRule", "books", {"host": "books.example", "trafficPolicy": {"loadBalancer": {"simple": how}}})


@pytest.fixture(scope="module", autouse=True)
def taken_away_again(shop):
    yield
    for kind in ("DestinationRule", "ServiceEntry"):
        shop.delete(kind, "shop/books", check=False)


@pytest.mark.parametrize("how", ["ROUND_ROBIN", "RANDOM", "LEAST_REQUEST"])
def test_endpoints_get_the_share_of_their_weight(shop, how):
    shop.apply(yaml.safe_dump_all([books(shop, {"v1-1": 8, "v2-1": 2}), balanced(how)]))
    for family, address in ADDRESSES.items():
        # One at a time: who is busy gets less by LEAST_REQUEST.
        reached = pods(ask(shop, family, REQUESTS, at_once=1, place=(address, 80), authority="books.example"))
        part = 100 * reached.count("v1-1") / len(reached)
        assert abs(part - 80) <= POINTS, (how, family, part)
        assert set(reached) == {"v1-1", "v2-1"}
    # Another service of the same pods is not touched.
    shop.apply(rule([{"route": [{"destination": {"host": "reviews"}}]}]))
    reached = pods(ask(shop, 4, REQUESTS))
    assert len(set(reached)) > 10, set(reached)


def test_a_changed_weight_holds_for_the_next_request(shop):
    shop.apply(yaml.safe_dump_all([books(shop, {"v1-1": 1, "v2-1": 1}), balanced("ROUND_ROBIN")]))
    reached = pods(ask(shop, 4, 100, place=(ADDRESSES[4], 80), authority="books.example"))
    assert abs(reached.count("v1-1") - 50) <= POINTS
    shop.apply(yaml.safe_dump_all([books(shop, {"v1-1": 1, "v2-1": 99})]))
    reached = pods(ask(shop, 4, 100, place=(ADDRESSES[4], 80), authority="books.example"))
    assert reached.count("v1-1") <= POINTS
