"""Who gets which requests at a real waypoint: cookies, weights, faults, over both address families."""
import collections

import pytest

from chance import drawn
from proof_lab import EDGE_PORT, V2_PODS, KeepAsking, always, ask, local, pods, rule, to, told

WEIGHED, SHIFTED, FAULTY = 20_000, 10_000, 3000
POINTS = 2  # percentage points that a share may be off: at least 5.6 standard deviations
CONNECTIONS = 16
COOKIE = {"match": [{"headers": {"cookie": {"regex": "^(.*?;)?(user=jason)(;.*)?$"}}}]}
OUTSIDE = "www.example"


def test_six_requests_with_a_cookie_reach_each_of_three_pods_twice(shop, family):
    shop.apply(rule([to("v2", **COOKIE), to("v1")]))
    reached = pods(ask(shop, family, 6, [["cookie", "user=jason"]], at_once=1))
    assert sorted(reached) == sorted([f"v2-{i}" for i in range(1, V2_PODS + 1)] * 2)
    for cookie in ("user=jasonx", "xuser=jason", "USER=jason", "a=b; user=jason", None):
        assert pods(ask(shop, family, 1, [["cookie", cookie]] if cookie else []))[0].startswith("v1"), cookie
    assert pods(ask(shop, family, 1, [["cookie", "a=b;user=jason;c=d"]]))[0].startswith("v2")


def test_weights_hold_whatever_the_number_of_pods_and_a_shift_holds_for_open_connections(shop, family):
    shares = {"v1": 50, "v2": 25, "v3": 25}
    shop.apply(rule([{"route": [{"destination": {"host": "reviews", "subset": v}, "weight": w} for v, w in shares.items()]}]))
    weighed = KeepAsking(shop, family, CONNECTIONS).ask_more(WEIGHED)
    assert not weighed["failed"] and {who.split()[0] for who in weighed["after"]} == {"200"}
    for version, share in shares.items():
        part = 100 * sum(count for who, count in weighed["after"].items() if f" {version}-" in who) / WEIGHED
        assert abs(part - share) <= POINTS, (version, part)
    load = KeepAsking(shop, family, CONNECTIONS)
    shop.apply(rule([to("v3")]))
    shifted = load.ask_more(SHIFTED)
    assert not shifted["failed"] and {who.split()[0] for who in shifted["before"]} == {"200"}
    assert shifted["after"] == {"200 v3-1": SHIFTED}
    assert shifted["opened"] == CONNECTIONS and len(shifted["before"]) > 1


@pytest.fixture
def outside(shop, family):
    """Asks the edge, from outside of the mesh."""
    place = (shop.ips("shop/edge")[0 if family == 4 else 1], EDGE_PORT)
    return lambda **more: ask(shop, family, authority=OUTSIDE, place=place, client="default/outside", **more)


def by_gateway(fault):
    """A fault for what comes through the edge, whose service has no waypoint: it would admit that alone."""
    plain = [{"destination": {"host": "plain", "port": {"number": 8080}}}]
    return [{"match": [{"gateways": ["front"]}], "route": plain, "fault": fault}, to("v1")]


def rules_of_both(shop, http):
    shop.apply(rule(http, hosts=["reviews", OUTSIDE], gateways=["mesh", "front"]))


def test_a_delay_by_a_gateways_rule_is_there_for_requests_through_it_alone(shop, family, outside):
    rules_of_both(shop, by_gateway(always(delay={"fixedDelay": "5s"})))
    late, = outside()
    assert pods([late]) == ["plain"] and 5 <= late["seconds"] < 20
    soon, = ask(shop, family)
    assert pods([soon])[0].startswith("v1") and soon["seconds"] < 5


def test_an_aborted_request_reaches_nobody_through_an_edge_or_in_the_mesh(shop, family, outside):
    abort = always(abort={"httpStatus": 500})
    rules_of_both(shop, [*by_gateway(abort)[:1], to("v3", fault=abort)])
    before = told(shop, "v3"), local(shop, "plain", "/_told")
    answers = ask(shop, family, 20) + outside(count=20)
    assert {(one["status"], one["body"]) for one in answers} == {(500, "fault filter abort")}
    assert (told(shop, "v3"), local(shop, "plain", "/_told")) == before


@pytest.mark.parametrize("tenth", [{"percentage": {"value": 10}}, {"percent": 10}], ids=["percentage", "percent"])
def test_a_tenth_of_requests_is_aborted_within_chance(shop, family, tenth):
    shop.apply(rule([to("v1", fault={"abort": {"httpStatus": 500, **tenth}})]))

    def draw():
        counts = collections.Counter()
        for who, count in KeepAsking(shop, family, CONNECTIONS).ask_more(FAULTY)["after"].items():
            counts[who.split()[0]] += count
        return counts
    drawn(draw, {"500": .1, "200": .9})


def test_a_timeout_beside_a_longer_delay_begins_behind_it(shop, family):
    shop.apply(rule([to("v1", timeout="2s", fault=always(delay={"fixedDelay": "5s"}))]))
    late, = ask(shop, family)
    assert late["status"] == 200 and 5 <= late["seconds"] < 20
