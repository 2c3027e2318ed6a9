"""`culvert maps`: what the kernel has, with the agent dead."""
import json
import os
import subprocess

import pytest

from world import BUILD, connect

CULVERT = os.path.join(BUILD, "tools/culvert/culvert")
VIP4 = "10.96.0.1"


@pytest.fixture
def node(world, tmp_path):
    agent = world.agent(exclude_cidr="10.200.0.0/16", exclude_port="25")
    world.cookie = agent.enroll(world.a)
    agent.enroll(world.b)
    world.ztunnel(world.a)
    agent.kill()
    (tmp_path / "pods.json").write_text(json.dumps([
        {"uid": "1", "namespace": "shop", "name": "web", "netns_cookie": world.cookie,
         "ips": [world.a.v4, world.a.v6]}]))

    def maps(*args):
        command = [CULVERT, "maps", *args, "--bpf-dir", world.pins, "--state-dir", str(tmp_path)]
        return subprocess.run(command, capture_output=True, text=True)

    world.maps = maps
    world.json = lambda *args: json.loads(maps(*args, "-o", "json").stdout)
    return world


def test_list_has_every_map_with_entries_capacity_and_memory(node):
    rows = {row["map"]: row for row in node.json("list")}
    assert set(rows) == {"cv_client", "cv_client_sk", "cv_counter", "cv_exclude", "cv_guard_code", "cv_health",
                         "cv_kubelet", "cv_layout", "cv_listener", "cv_listens", "cv_mark", "cv_origin", "cv_origin_sk",
                         "cv_pod"}
    assert rows["cv_pod"]["entries"] == 2 and rows["cv_pod"]["capacity"] == 1024
    assert rows["cv_pod"]["memory_bytes"] > 0 and rows["cv_pod"]["pin"] == f"{node.pins}/cv_pod"
    assert rows["cv_listener"]["entries"] == 24 and rows["cv_origin_sk"]["entries"] is None
    assert "cv_listener" in node.maps().stdout


def test_dump_names_pods_and_filters_by_pod(node):
    assert {row["pod"] for row in node.json("dump", "cv_pod")} > {"shop/web"}
    (row,) = node.json("dump", "cv_pod", "--pod", "shop/web")
    assert row["ipv4"] == node.a.v4 and row["ipv6"] == node.a.v6 and row["outbound"] == "redirected"
    assert node.json("dump", "cv_pod", "--pod", str(node.cookie)) == [row]
    assert {row["excluded"] for row in node.json("dump", "cv_exclude")} == {"10.200.0.0/16", "port 25"}


def test_counters_count_what_happened(node):
    for _ in range(3):
        assert node.in_pod(node.a, connect, VIP4, 80)["errno"] == 0
    node.on_node(connect, node.a.v4, 80)
    counts = {row["reason"]: int(row["count"]) for row in node.json("dump", "cv_counter", "--pod", "shop/web")}
    assert counts["CONNECT_REDIRECTED"] == counts["STEERED_OUTBOUND"] == counts["PEER_ORIGIN"] == 3
    assert counts["STEERED_PLAINTEXT"] == 1


def test_programs_tell_where_they_hang_and_how_long_they_run(node):
    rows = node.json("programs")
    by_hook = {row["hook"]: row for row in rows}
    assert by_hook["connect4"]["attached"] == node.cgroup and by_hook["connect4"]["program"] == "cv_connect4"
    assert "shop/web" in {row["attached"] for row in rows if row["hook"] == "sk_lookup"}
    assert {row["attached"] for row in rows if row["program"] == "cv_kubelet_ops"} == {f"{node.cgroup}/kubelet"}

    watching = subprocess.Popen([CULVERT, "maps", "programs", "--profile", "2", "-o", "json", "--bpf-dir", node.pins],
                                stdout=subprocess.PIPE, text=True)
    while watching.poll() is None:
        node.in_pod(node.a, connect, VIP4, 80)
    profiled = {row["hook"]: row for row in json.loads(watching.communicate()[0])}
    assert profiled["connect4"]["runs"] >= 3 and profiled["connect4"]["ns_per_run"] > 0


def test_errors_name_the_next_step(node):
    for args, words in ((("dump", "cv_origin_sk"), "cannot be listed"), (("dump", "cv_nothing"), "culvert maps lists"),
                        (("dump", "cv_pod", "--pod", "shop/none"), "culvert pods")):
        done = node.maps(*args)
        assert done.returncode == 1 and words in done.stderr, done
    missing = subprocess.run([CULVERT, "maps", "--lab", "bpf-none"], capture_output=True, text=True)
    assert missing.returncode == 1 and "culvert lab status" in missing.stderr
