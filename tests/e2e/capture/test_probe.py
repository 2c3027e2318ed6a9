"""`culvert-agent probe` and `unload`, as an operator runs them."""
import json
import os
import subprocess

from world import BUILD, cgroup2_mount

AGENT = os.path.join(BUILD, "agent/culvert-agent")


def run(*args):
    return subprocess.run([AGENT, *args], capture_output=True, text=True)


def test_probe_passes_here_and_leaves_no_cgroup_behind():
    done = run("probe", "-o", "json")
    report = json.loads(done.stdout)
    assert done.returncode == 0 and report["usable"]
    assert all(f["there"] for f in report["features"] if f["required"])
    assert {h["hook"] for h in report["hooks"]} >= {"connect4", "connect6", "sock_ops", "setsockopt"}
    features = {f["feature"]: f for f in report["features"]}
    assert not features["tcx egress link"]["required"]
    assert features["tcx egress link"]["there"] or features["clsact filter"]["there"]
    assert features["guard: bpf_sk_storage_get"]["required"]
    assert [n for n in os.listdir(cgroup2_mount()) if n.startswith("culvert-probe")] == []


def test_probe_tells_who_is_on_the_hooks(world):
    world.agent()
    report = json.loads(run("probe", "-o", "json", "--cgroup", world.cgroup).stdout)
    hooks = {h["hook"]: h for h in report["hooks"]}
    assert hooks["connect4"]["programs"] == ["cv_connect4"] and hooks["connect4"]["warning"] == ""


def test_the_table_says_what_culvert_does_without_each_feature():
    out = run("probe").stdout
    assert "BPF_F_PREORDER is used" in out or "as --cgroup" in out
    assert "ORDER ON THE HOOKS" in out


def test_unload_of_nothing_says_so():
    done = run("unload", "--bpf-dir", "/sys/fs/bpf/culvert_none")
    assert done.returncode == 1 and "nothing is pinned" in done.stderr
