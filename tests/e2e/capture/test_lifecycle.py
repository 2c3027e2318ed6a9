"""Enrolling, leaving, restarts and kills of the agent, and what is left behind."""
import errno
import json
import os
import subprocess
import threading

import kernel
from world import BPFTOOL, DRIVER, connect

VIP4 = "10.96.0.1"


def sysctl(pod, name, value=None):
    word = name if value is None else f"{name}={value}"
    command = ["ip", "netns", "exec", pod.netns, "sysctl", "-nw" if value else "-n", word]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def settings(pod):
    """What enrolling changes."""
    return [sysctl(pod, name) for name in ("net.ipv4.ip_local_reserved_ports", "net.mptcp.enabled", "net.ipv4.tcp_tw_reuse")]


def test_a_killed_agent_finds_its_pins_and_goes_on(world):
    agent = world.agent()
    cookie = agent.enroll(world.a)
    world.ztunnel(world.a)
    agent.kill()
    assert world.in_pod(world.a, connect, VIP4, 80)["errno"] == 0
    again = world.agent()
    assert again.answer["ready"]
    assert again.ask("list") == {"pods": [{"cookie": cookie, "ready": True, "linked": True,
                                           "unguarded": not kernel.has(kernel.TCX)}]}
    assert world.in_pod(world.a, connect, VIP4, 80)["data"] == f"origin {VIP4}:80\n"
    assert again.enroll(world.a) == cookie


def test_agent_restarts_have_no_gap(world):
    agent = world.agent()
    agent.enroll(world.a)
    world.ztunnel(world.a)
    stop, failures, count = threading.Event(), [], []
    read_end, write_end = os.pipe()

    def until_told():
        bad, n = [], 0
        while not _readable(read_end):
            seen = connect(VIP4, 80)
            n += 1
            if seen.get("data") != f"origin {VIP4}:80\n":
                bad.append(seen)
        return n, bad[:3]

    result = []
    worker = threading.Thread(target=lambda: result.append(world.in_pod(world.a, until_told)))
    worker.start()
    for _ in range(10):
        agent.kill()
        agent = world.agent()
        assert agent.answer["ready"], agent.answer
        agent.enroll(world.a)
    os.write(write_end, b"x")
    worker.join()
    n, bad = result[0]
    assert bad == [] and n > 100


def _readable(fd):
    import select
    return bool(select.select([fd], [], [], 0)[0])


def test_leaving_the_mesh_removes_every_trace(world):
    sysctl(world.a, "net.ipv4.ip_local_reserved_ports", "80,290,8080")
    before = settings(world.a)
    agent = world.agent()
    agent.enroll(world.a)
    world.ztunnel(world.a)
    assert world.in_pod(world.a, connect, VIP4, 80)["errno"] == 0
    assert sysctl(world.a, "net.ipv4.ip_local_reserved_ports") == "80,288-303,8080"
    assert sysctl(world.a, "net.mptcp.enabled") == "0"
    assert sysctl(world.a, "net.ipv4.tcp_tw_reuse") == "1"
    agent.unenroll(world.a)
    assert settings(world.a) == before
    assert agent.ask("list") == {"pods": []}
    assert os.listdir(f"{world.pins}/pods") == []
    names = ("cv_pod", "cv_listener", "cv_counter", "cv_origin", "cv_client")
    assert [world.entries(name) for name in names] == [0] * len(names)
    world.server(world.b, "0.0.0.0", 80)
    assert world.in_pod(world.a, connect, world.b.v4, 80)["data"] == "hello\n"


def test_settings_survive_an_agent_restart_and_are_still_put_back(world):
    before = settings(world.a)
    agent = world.agent()
    agent.enroll(world.a)
    agent.kill()
    agent = world.agent()
    agent.enroll(world.a)
    assert settings(world.a) != before
    agent.unenroll(world.a)
    assert settings(world.a) == before


def test_a_pod_whose_namespace_vanished_is_forgotten_at_the_next_start(world):
    agent = world.agent()
    agent.enroll(world.a)
    agent.kill()
    subprocess.run(["ip", "netns", "del", world.a.netns], check=True)
    for _ in range(100):
        agent = world.agent()
        if agent.ask("list") == {"pods": []}:
            break
        agent.kill()
    assert agent.ask("list") == {"pods": []}
    assert os.listdir(f"{world.pins}/pods") == []


def test_only_one_agent_works_with_a_pin_folder(world):
    world.agent()
    second = world.agent()
    assert "another agent" in second.answer["error"]


def test_pins_of_another_layout_are_refused_with_the_next_step(world):
    agent = world.agent()
    agent.kill()
    subprocess.run(["bpftool", "map", "update", "pinned", f"{world.pins}/cv_layout", "key", "hex", "00", "00", "00",
                    "00", "value", "hex", "63", "00", "00", "00", "20", "01", "00", "00"], check=True,
                   env={**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin"})
    answer = world.agent().answer
    assert "layout 99" in answer["error"] and "culvert-agent unload" in answer["next"]


def test_unload_leaves_nothing_pinned_and_ends_capture(world):
    agent = world.agent()
    agent.enroll(world.a)
    agent.kill()
    subprocess.run([DRIVER, "unload", "--pin-dir", world.pins], check=True, capture_output=True)
    assert not os.path.exists(world.pins)
    world.server(world.b, "0.0.0.0", 80)
    assert world.in_pod(world.a, connect, world.b.v4, 80)["data"] == "hello\n"


def first_on_connect4(world, pins, cgroup=""):
    """Whether the program of the link pinned there is the first at the hook."""
    link = bpftool("link", "show", "pinned", f"{pins}/links/connect4")
    programs = bpftool("cgroup", "show", world.cgroup + cgroup, "effective")
    return [p["id"] for p in programs if p["attach_type"] in ("connect4", "cgroup_inet4_connect")][0] == link["prog_id"]


def bpftool(*args):
    return json.loads(subprocess.run([BPFTOOL, "-j", *args], check=True, capture_output=True, text=True).stdout)


def test_hooks_come_first_and_are_moved_to_the_front_again_where_the_kernel_can(world):
    other = world.agent(world.pins + "_other")
    agent = world.agent()
    if kernel.has(kernel.ORDER):
        assert agent.ask("order") == {"warnings": 0, "text": ""} and first_on_connect4(world, world.pins)
        assert other.ask("order")["warnings"] == 0 and not first_on_connect4(world, world.pins)
        assert agent.ask("order")["warnings"] == 0 and first_on_connect4(world, world.pins)
        return
    for _ in range(2):  # it does not go further back by trying
        said = agent.ask("order")
        assert said["warnings"] == 6 and "cv_getpeername4 runs before" in said["text"] and "--cgroup" in said["text"]
    assert first_on_connect4(world, world.pins + "_other")


def test_on_the_pods_parent_cgroup_our_hooks_come_before_those_of_its_parents(world):
    """What the agent advises where the kernel has no order."""
    world.agent(world.pins + "_other")
    world.agent(cgroup=world.cgroup + "/pods")
    assert first_on_connect4(world, world.pins, "/pods")


def test_a_hook_that_runs_twice_changes_nothing(world):
    """Another copy of the programs with the same maps hangs on the pod's own cgroup, as on old kernels."""
    world.agent().enroll(world.a)
    z = world.ztunnel(world.a)
    with_link = bpftool("link", "show", "pinned", f"{world.pins}/links/connect4")
    subprocess.run([BPFTOOL, "cgroup", "attach", world.a.cgroup, "connect4", "id", str(with_link["prog_id"]), "multi"],
                   check=True)
    assert world.in_pod(world.a, connect, VIP4, 80)["data"] == f"origin {VIP4}:80\n"
    seen = world.in_pod(world.a, connect, VIP4, 80, None, ("127.0.0.1", 0))
    assert seen["data"] == f"origin {VIP4}:80\n" and z.next()["origin"] == f"{VIP4}:80"


def test_an_unenrolled_pod_is_untouched(world):
    world.agent().enroll(world.b)
    world.server(world.a, "0.0.0.0", 80)
    assert world.on_node(connect, world.a.v4, 80)["data"] == "hello\n"
    assert world.in_pod(world.a, connect, world.b.v4, 80)["errno"] == errno.ECONNREFUSED
