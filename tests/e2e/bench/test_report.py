"""Rows, ratios and targets from made-up runs."""
import itertools
import random
import subprocess
import types

import pytest

from figures import LOADS, fixed_rate, run_alternating
import edge
import holders
import labs
import report_waypoint
import waypoint
from report import (HEAD, TARGETS, load_rows, missed_targets, redirection_table, row, table, worse_than_envoy)
from statistics_of import added_ratios, differ_p, ratios, summary


def figure(name):
    return next(f for f in LOADS if f.name == name)


def run(value, side=None, p50=100.0, p99=200.0):
    cpu = {"unit": "us/request", "machine": 50.0} | ({} if side is None else {"side": side, "sides": [side, side]})
    return {"value": value, "cpu": cpu, "latency_us": {"p50": p50, "p99": p99, "p999": p99}, "result": {}}


def test_ratios_are_taken_within_a_round_and_only_then_is_their_median():
    # The machine is twice as slow in the second round: the ratio stays.
    assert ratios([50, 25, 10], [100, 50, 100])["values"] == [0.5, 0.5, 0.1]
    assert ratios([50, 25, 10], [100, 50, 100])["median"] == 0.5
    assert ratios([1], [0]) is None and summary([None]) is None
    assert added_ratios([150, 120], [300, 140], [100, 100])["values"] == [0.25, 0.5]


def test_a_target_is_reached_by_the_ratio_or_the_value_that_it_names():
    def reached(culvert, side):
        rows = load_rows(figure("requests_32"), {"direct": [run(100)], "culvert": [run(culvert, side)]})
        return {one["name"]: one["target"]["reached"] for one in rows if "target" in one}
    assert reached(45, 12) == {"requests_32": True, "requests_32_cpu": True}
    assert reached(44, 12.1) == {"requests_32": False, "requests_32_cpu": False}
    assert row("memory_idle", "", "MB", {"culvert": [9.0]})["target"]["reached"] is True


def test_latency_that_is_added_is_judged_against_envoys():
    runs = {"direct": [run(100, p50=100, p99=200)], "culvert": [run(130, 5, p50=130, p99=400)],
            "envoy": [run(200, 5, p50=200, p99=500)]}
    rows = {one["name"]: one for one in load_rows(fixed_rate(1000), runs)}
    assert rows["fixed_rate_added_p50"]["culvert_to_envoy"]["median"] == pytest.approx(0.3)
    assert rows["fixed_rate_added_p50"]["target"]["reached"] is True
    assert rows["fixed_rate_added_p99"]["target"]["reached"] is False
    assert rows["fixed_rate_added_p99"]["ways"]["envoy"]["median"] == 300


def test_redirection_has_a_table_of_its_own_with_its_ratio_to_the_same_pair_dialed():
    runs = {"envoy": [run(100, 5), run(50, 5)], "iptables": [run(80, 5), run(40, 5)]}
    rows = load_rows(figure("redirection_requests_32"), runs)
    assert rows[0]["iptables_to_envoy"]["values"] == [0.8, 0.8]
    assert "0.800" in redirection_table(rows) and table(rows) == ""
    other = load_rows(figure("requests_1"), {"direct": [run(2)], "culvert": [run(1, 5)]})
    assert redirection_table(other) == "" and "requests, 1 connection" in table(other)


def test_every_target_is_of_a_row_that_a_whole_run_has():
    made = {"memory_idle", "memory_each", "memory_after", "enrolment_250", "enrolment_250_at_once",
            "enrolment_250_start", "hog_p99_ratio"}  # states.py, enrolment.py, hog.py
    for one in [*LOADS, fixed_rate(1)]:
        made |= {r["name"] for r in load_rows(one, {w: [run(1, 1)] for w in ("direct", "culvert", "envoy")
                                                    if w in one.ways})}
    for one in waypoint.LOADS:
        runs = {w: [run(1, 1)] for w in one.ways}
        made |= {r["name"] for r in report_waypoint.load_rows(one, runs)}
        made |= {r["name"] for r in report_waypoint.rate_rows(waypoint.at_rate(one, 1), runs)}
    made |= {r["name"] for r in edge_rows()}
    made |= {f"waypoint_{suffix}" for suffix in ("memory_routes_1", "memory_routes_1000", "memory_each", "routes_ratio",
                                                 "change", "change_failed")}  # waypoint_states.py
    assert set(TARGETS) <= made


def edge_rows():
    """Of a whole run's loads: HTTP/1.1, HTTP/2, gRPC, at full load and at a rate."""
    out = []
    for n, load in enumerate(edge.LOADS):
        runs = {"direct": [run(9)], "culvert": [run(8, 25)], "haproxy": [run(6, 20 + 10 * n)], "nginx": [run(7, 25)],
                "envoy": [run(2, 100)]}
        out += report_waypoint.load_rows(load, runs)
        out += report_waypoint.edge_rate_rows(edge.at_rate(load, edge.slowest(runs) * edge.RATE_OF_SLOWEST), runs)
    return out


def test_edges_are_compared_in_each_kind_of_request_and_at_half_of_what_the_slowest_can_do():
    rows = {one["name"]: one for one in edge_rows()}
    for kind, ratio in (("http", 0.8), ("http2", 1.2), ("grpc", 1.6)):
        assert rows[f"edge_{kind}_per_core"]["culvert_to_haproxy"]["median"] == pytest.approx(ratio)
        assert rows[f"edge_rate_{kind}_p50"]["title"].endswith("at 1 requests/s: p50")
        assert {f"edge_rate_{kind}_{what}" for what in ("p99", "p999", "cpu")} <= set(rows)
    assert rows["edge_http_per_core"]["target"]["reached"] is True and "target" not in rows["edge_grpc_per_core"]
    lines = report_waypoint.edge_table(list(rows.values())).splitlines()
    assert len(lines) == len(rows) + 2 and {line.count("|") for line in lines} == {len(report_waypoint.EDGE_HEAD) + 1}
    assert table(list(rows.values())) == ""


def test_what_is_behind_envoy_or_its_target_is_told():
    rows = [row("a", "", "/s", {"culvert": [1], "envoy": [2]}), row("b", "", "us", {"culvert": [1], "envoy": [2]}),
            row("c", "", "us", {"culvert": [2], "envoy": [1]}), row("d", "", "/s", {"culvert": [2], "envoy": [1]}),
            row("e", "", "us", {"culvert": [2]}), row("memory_idle", "", "MB", {"culvert": [11.0]})]
    assert worse_than_envoy(rows) == ["a", "c"] and missed_targets(rows) == ["memory_idle"]


class Lab:
    """In a lab's place: holders that do as told, unless the pod is "weak", which holds at most three."""

    def popen(self, client, *argv, **options):
        most = 3 if client == "weak" else 100
        words = ("import sys\nfor line in sys.stdin:\n"
                 f" print('{{\"failures\": {{}}, \"open\": %d}}' % min({most}, int((line + ' 0').split()[1])), flush=True)")
        return subprocess.Popen(["/usr/bin/python3", "-c", words], text=True, **options)


@pytest.mark.parametrize("pods, all_opened", [(["one", "two"], True), (["one", "weak"], False)])
def test_idle_connections_are_shared_out_to_a_ways_pods_and_none_may_be_missing(pods, all_opened):
    way = types.SimpleNamespace(lab=Lab(), targets={"across": "there"}, holders=lambda _: pods)
    with holders.holding(way) as held:
        if all_opened:
            return held.open(9)
        with pytest.raises(labs.Failed, match="8 idle connections instead of 9"):
            held.open(9)


def test_what_a_waypoint_adds_is_what_it_has_above_ztunnels_and_judged_against_envoys():
    runs = {"direct": [run(1)], "ztunnels": [run(1, p50=100, p99=200)], "culvert": [run(1, 25, p50=130, p99=300)],
            "envoy": [run(1, 100, p50=200, p99=400)]}
    rate = {one["name"]: one for one in report_waypoint.rate_rows(waypoint.at_rate(waypoint.LOADS[0], 5), runs)}
    assert rate["waypoint_rate_http_added_p50"]["target"] | {"reached": True} == rate["waypoint_rate_http_added_p50"]["target"]
    assert rate["waypoint_rate_http_added_p50"]["culvert_to_envoy"]["median"] == pytest.approx(0.3)
    assert rate["waypoint_rate_http_added_p99"]["target"]["reached"] is False
    full = {one["name"]: one for one in report_waypoint.load_rows(waypoint.LOADS[0], runs)}
    assert full["waypoint_http_per_core"]["ways"]["culvert"]["median"] == pytest.approx(40_000)
    assert full["waypoint_http_per_core"]["culvert_to_envoy"]["median"] == pytest.approx(4)
    assert "40000" in report_waypoint.waypoint_table(list(full.values())) and table(list(full.values())) == ""


def test_whether_two_series_differ_is_told_exactly_for_few_values():
    low, high = list(range(10)), list(range(100, 110))
    assert differ_p(low, high) == pytest.approx(2 / 184756)  # 1 of C(20, 10) orders, at either end
    assert differ_p([1, 4, 5, 8], [2, 3, 6, 7]) == 1.0
    values = [0.3, 1.7, 2.2, 5.0, 6.1, 7.4, 9.9]  # against counting all orders
    first, second = [values[0], values[1], values[4]], [values[2], values[3], values[5], values[6]]
    def u(a):
        return sum(x > y for x in a for y in values if y not in a)
    least = min(u(first), 12 - u(first))
    orders = [u(chosen) for chosen in itertools.combinations(values, 3)]
    assert differ_p(first, second) == pytest.approx(2 * sum(one <= least for one in orders) / len(orders))


def test_the_p_of_equal_distributions_is_seldom_small():
    source = random.Random(7)
    small = sum(differ_p([source.random() for _ in range(10)], [source.random() for _ in range(10)]) < 0.05
                for _ in range(2000))
    assert 50 < small < 150


def test_the_table_has_a_column_for_each_heading_and_says_what_was_not_reached():
    rows = load_rows(figure("throughput_1"), {"direct": [run(100), run(200)], "culvert": [run(10, 1), run(20, 1)]})
    lines = table(rows).splitlines()
    assert {line.count("|") for line in lines} == {len(HEAD) + 1}
    assert "150 (100-200)" in lines[2] and "0.100" in lines[2] and lines[2].rstrip("| ").endswith("NO")


def test_runs_alternate_between_the_ways(monkeypatch):
    order = []
    monkeypatch.setattr("figures.run_once", lambda f, way, _: order.append((f.name, way)) or run(1))
    names = {"direct": "d", "culvert": "c", "envoy": "e"}
    run_alternating([figure("requests_1"), figure("same_node_requests_1")], names, 2, 1)
    once = [("requests_1", "d"), ("requests_1", "c"), ("requests_1", "e"),
            ("same_node_requests_1", "d"), ("same_node_requests_1", "c")]
    assert order == once + once
