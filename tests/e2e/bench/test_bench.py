"""Short runs of the bench, through real labs."""
import contextlib
import json
import os
import pathlib
import signal
import subprocess

from lab import ENV, REPO, wait_until
from machine import remains

TIMEOUT_S = 600


def start(*flags, **options):
    return subprocess.Popen(["/usr/bin/python3", REPO / "tools" / "bench" / "bench.py", *flags], env=ENV, text=True,
                            start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


def run(tmp_path, *flags):
    """(what it printed, the JSON that it wrote)."""
    path = tmp_path / "bench.json"
    process = start("--quick", "--rounds", "1", "--seconds", "0.6", "--json", str(path), *flags)
    out, err = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 0, err
    assert not remains(f"bench-{process.pid}")
    return out, json.loads(path.read_text())


def test_loads_run_over_each_way_and_are_written_with_their_ratios(tmp_path, long_run):
    ways = ["direct", "culvert"] + (["envoy"] if long_run else [])
    all_ways = ways + (["iptables"] if long_run else [])
    out, told = run(tmp_path, "--ways", ",".join(all_ways), "--only", "throughput_1", "--only", "requests_32",
                    "--only", "connections_1", *(["--only", "fixed_rate", "--only", "redirection"] if long_run else []))
    rows = {row["name"]: row for row in told["figures"]}
    for name in ("throughput_1", "requests_32", "requests_32_p99", "connections_1", "requests_32_machine"):
        assert set(rows[name]["ways"]) == set(ways) and rows[name]["title"].strip() in out
        for way in ways[1:]:
            ratio = rows[name]["ways"][way]["median"] / rows[name]["ways"]["direct"]["median"]
            assert abs(rows[name]["ratio_to_direct"][way]["median"] / ratio - 1) < 1e-9
    assert set(rows["throughput_1_cpu"]["ways"]) == set(ways) - {"direct"}
    assert rows["throughput_1"]["target"]["at_least"] == 0.20
    assert len(told["runs"]["requests_32"]["culvert"]) == told["rounds"] == 1
    for each in told["runs"].values():
        for runs in each.values():
            assert all(r["value"] > 0 and r["result"]["wrong"] == 0 and not r["result"]["failures"] for r in runs)
    assert told["machine"]["cores"] == os.cpu_count()
    if long_run:
        assert rows["fixed_rate_added_p99"]["target"]["of"] == "envoy"
        assert rows["redirection_connections_32"]["iptables_to_envoy"]["median"] > 0


def no_request_failed(told):
    return all(run["value"] > 0 and run["result"]["wrong"] == 0 and not run["result"]["failures"]
               for each in told["runs"].values() for runs in each.values() for run in runs)


def test_a_waypoint_is_measured_between_ztunnels(tmp_path, long_run):
    ways = ["direct", "ztunnels", "culvert"] + (["envoy"] if long_run else [])
    kinds = ("http", "http2", "grpc")
    rates = ["--only", "waypoint_rate"] if long_run else []
    out, told = run(tmp_path, "--ways", "direct,culvert" + (",envoy" if long_run else ""),
                    *(word for kind in kinds for word in ("--only", f"waypoint_{kind}")), *rates)
    rows = {row["name"]: row for row in told["figures"]}
    for kind in kinds:
        one = rows[f"waypoint_{kind}"]
        assert list(one["ways"]) == ways and one["title"] in out
        assert set(rows[f"waypoint_{kind}_cpu"]["ways"]) == set(ways) & {"culvert", "envoy"}
        if long_run:
            assert rows[f"waypoint_rate_{kind}_added_p99"]["target"]["of"] == "envoy"
    assert no_request_failed(told)


def test_a_change_of_one_route_among_a_thousand_acts_and_no_request_fails(tmp_path):
    _, told = run(tmp_path, "--ways", "culvert", "--only", "waypoint_change", "--only", "waypoint_routes")
    rows = {row["name"]: row["ways"]["culvert"]["median"] for row in told["figures"]}
    assert rows["waypoint_change"] > 0 and rows["waypoint_change_failed"] == 0
    assert rows["waypoint_routes_ratio"] > 0


def test_memory_of_waypoints_and_edges_beside_other_proxies_are_measured(tmp_path, long_run):
    ways, others = ("direct,culvert,envoy", {"envoy"}) if long_run else ("direct,culvert", set())
    out, told = run(tmp_path, "--ways", ways, "--only", "waypoint_memory", "--only", "edge", "--settle", "1")
    rows = {row["name"]: row for row in told["figures"]}
    for kind in ("http", "http2", "grpc"):
        for name in (f"edge_{kind}_cpu", f"edge_rate_{kind}_cpu"):
            assert set(rows[name]["ways"]) == {"culvert", "haproxy", "nginx"} | others and rows[name]["title"] in out
        assert rows[f"edge_{kind}_per_core"]["culvert_to_haproxy"]["median"] > 0
        at_rate = rows[f"edge_rate_{kind}_p999"]["ways"]
        assert set(at_rate) == {"direct", "culvert", "haproxy", "nginx"} | others
    assert set(rows["waypoint_memory_routes_1"]["ways"]) == {"culvert"} | others
    for name in ("waypoint_memory_routes_1", "waypoint_memory_routes_100", "waypoint_memory_held_1000"):
        assert rows[name]["ways"]["culvert"]["median"] > 0
    # What few connections take so shortly after the start is less than what the start took and gave back.
    assert {"edge_memory_each", "waypoint_memory_each"} <= set(rows)
    assert no_request_failed(told)


def test_memory_hooks_enrolment_and_policy_are_measured(tmp_path):
    _, told = run(tmp_path, "--ways", "culvert", "--only", "memory", "--only", "hooks", "--only", "enrolment",
                  "--only", "policy", "--settle", "1")
    rows = {row["name"]: row["ways"]["culvert"]["median"] for row in told["figures"]}
    assert 0 < rows["memory_idle_pss"] <= rows["memory_idle"] < rows["memory_1000"]
    assert rows["memory_each"] > 0 and rows["enrolment_20"] > 0
    assert rows["enrolment_20_at_once"] > 0 and rows["enrolment_20_start"] > 0
    ran = {(one["node"], one["program"]) for one in told["readings"]["hooks"][0]["programs"]}
    assert rows["hooks"] > 0 and {("east", "cv_connect4"), ("east", "cv_sk_lookup"), ("west", "cv_sk_lookup")} <= ran
    assert rows["policy_refused"] > 0 and rows["policy_answered"] > 0
    assert len(told["readings"]["memory"]["culvert"]["1000"]) == 2  # a ztunnel on each node


def test_a_quiet_pod_is_answered_beside_a_hog_and_both_latencies_are_told(tmp_path):
    _, told = run(tmp_path, "--ways", "culvert", "--only", "hog")
    rows = {row["name"]: row["ways"]["culvert"]["median"] for row in told["figures"]}
    assert rows["hog_p99_ratio"] == rows["hog_p99"] / rows["hog_p99_alone"] > 0
    (held,), (with_bursts,) = (told["readings"]["hog"][hog]["culvert"] for hog in ("hog", "hog_bursts"))
    assert (held["idle"], held["stalled"], held["bursts"]) == (2500, 32, None)
    assert with_bursts["bursts"]["answered_in_all"] > 0


def neighbours_of(pid):
    """How many neighbours that process started which are at work: with a thread a job."""
    def works(folder):
        with contextlib.suppress(OSError):
            words = (folder / "cmdline").read_text().split("\0")
            return (any(word.endswith("neighbours.py") for word in words) and str(pid) in words
                    and len(list((folder / "task").iterdir())) > 1)
        return False
    return sum(map(works, pathlib.Path("/proc").glob("[0-9]*")))


def test_an_interrupt_takes_the_labs_down_and_ends_the_neighbours():
    process = start("--ways", "direct,culvert", "--only", "requests_1", "--seconds", "60", "--load", "2")
    own = f"bench-{process.pid}"
    wait_until(lambda: pathlib.Path(f"/run/culvert/lab/{own}-culvert").exists(), "the lab")
    wait_until(lambda: neighbours_of(process.pid) == 2, "the neighbours")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 130, err
    assert not remains(own) and neighbours_of(process.pid) == 0


def test_neighbours_do_not_outlive_a_bench_that_was_killed():
    code = "import sys, time\nsys.path.insert(0, sys.argv[1])\nimport neighbours\nwith neighbours.beside(2): time.sleep(600)"
    with subprocess.Popen(["/usr/bin/python3", "-c", code, REPO / "tools" / "bench"]) as bench:
        try:
            wait_until(lambda: neighbours_of(bench.pid) == 2, "the neighbours")
        finally:
            bench.kill()
    wait_until(lambda: neighbours_of(bench.pid) == 0, "their end")


def test_what_it_cannot_do_is_refused_and_the_list_has_all_figures():
    done = subprocess.run(["./dev", "bench", "--list"], cwd=REPO, env=ENV, text=True, capture_output=True)
    assert done.returncode == 0 and {"throughput_1", "fixed_rate", "memory", "edge_rate_grpc"} <= set(done.stdout.split())
    for flags, said in ((("--only", "nothing"), "no figure's name starts with nothing"), (("--load", "65"), "0 to 64 neighbours")):
        process = start(*flags)
        assert said in process.communicate(timeout=TIMEOUT_S)[1]
        assert process.returncode == 2
