"""Rows, ratios and targets from made-up runs."""
import itertools
import random

import pytest

from figures import LOADS, fixed_rate, run_alternating
import report_waypoint
import waypoint
from report import HEAD, TARGETS, load_rows, redirection_table, row, table
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
    made |= {f"edge{suffix}" for suffix in ("", "_per_core")}  # edge.py
    made |= {f"waypoint_{suffix}" for suffix in ("memory_routes_1", "memory_routes_1000", "memory_each", "routes_ratio",
                                                 "change", "change_failed")}  # waypoint_states.py
    assert set(TARGETS) <= made


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
