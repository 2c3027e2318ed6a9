"""Pins of an older layout are migrated without a gap, those of a newer one refused."""
import os
import select
import subprocess
import threading

import pytest

from older_layout import POD_VALUE_1, bpftool, dump, layout_of, make_older, shape, write_layout
from world import connect

VIP4 = "10.96.0.1"
NOW = 2  # CV_LAYOUT_VERSION


@pytest.fixture
def node(world):
    """An agent has enrolled a pod, ztunnel serves it, and the agent has died."""
    agent = world.agent()
    world.cookie = agent.enroll(world.a)
    world.ztunnel(world.a)
    agent.kill()
    assert layout_of(world.pins) == NOW
    return world


class Connecting:
    """A pod that connects all the time, from `with` to its end; afterwards it has failures and count.

    It has begun when `with` is entered: a fork beside another thread's start of a program would keep the
    pipe open by which that one waits for the start."""

    def __init__(self, world):
        self.world, self.result = world, None

    def __enter__(self):
        self.read_end, self.write_end = os.pipe()
        begun, self.begin = os.pipe()
        self.thread = threading.Thread(target=lambda: setattr(
            self, "result", self.world.in_pod(self.world.a, self.until_told)))
        self.thread.start()
        os.read(begun, 1)
        return self

    def until_told(self):
        count, failures = 0, []
        os.write(self.begin, b"x")
        while not select.select([self.read_end], [], [], 0)[0]:
            seen = connect(VIP4, 80)
            count += 1
            if seen.get("data") != f"origin {VIP4}:80\n":
                failures.append(seen)
        return count, failures[:3]

    def __exit__(self, *_):
        os.write(self.write_end, b"x")
        self.thread.join()


def expect_migrated(world, old):
    """The pod's entry is in a map of the new shape, unchanged but for what layout 1 did not know."""
    assert layout_of(world.pins) == NOW
    assert shape(f"{world.pins}/cv_pod")["bytes_value"] > POD_VALUE_1
    new = dump(f"{world.pins}/cv_pod")
    assert set(new) == set(old) and len(new) == 1
    (key,) = new
    turn = slice(36, 40)  # counts connections, meanwhile too
    assert [*new[key][:turn.start], *new[key][turn.stop:POD_VALUE_1]] == \
        [*old[key][:turn.start], *old[key][turn.stop:POD_VALUE_1]]
    assert not [name for name in os.listdir(world.pins) if name.endswith("_next")]


def test_entries_of_layout_1_are_migrated_and_no_connection_fails_meanwhile(node):
    old, listeners = make_older(node.pins), shape(f"{node.pins}/cv_listener")
    with Connecting(node) as load:
        agent = node.agent()
        assert agent.answer["ready"], agent.answer
        assert agent.ask("list") == {"pods": [{"cookie": node.cookie, "ready": True, "linked": True, "unguarded": False}]}
    count, failures = load.result
    assert failures == [] and count > 10
    expect_migrated(node, old)
    # ztunnel's maps are the same ones: it need not notice.
    assert shape(f"{node.pins}/cv_listener") == listeners
    assert node.in_pod(node.a, connect, VIP4, 80)["data"] == f"origin {VIP4}:80\n"
    # The programs use the new map: an entry that is deleted there is no longer redirected.
    agent.unenroll(node.a)
    assert node.in_pod(node.a, connect, VIP4, 80).get("data") is None


def test_a_pod_enrolled_in_layout_1_leaves_in_layout_2_with_its_settings_put_back(node):
    make_older(node.pins)
    agent = node.agent()
    agent.enroll(node.a)
    agent.unenroll(node.a)
    show = ["ip", "netns", "exec", node.a.netns, "sysctl", "-n", "net.mptcp.enabled", "net.ipv4.ip_local_reserved_ports"]
    assert subprocess.run(show, check=True, capture_output=True, text=True).stdout.split() == ["1"]


def test_a_migration_that_was_cut_short_is_begun_anew(node):
    # Killed after it made the new map: an empty one stands beside the old.
    old = make_older(node.pins)
    bpftool("map", "create", f"{node.pins}/cv_pod_next", "type", "hash", "key", 8, "value", 99, "entries", 7,
            "name", "cv_pod")
    agent = node.agent()
    assert agent.answer["ready"], agent.answer
    expect_migrated(node, old)
    # Killed after it gave the new map its place, before it said so: nothing is left to move.
    agent.kill()
    write_layout(node.pins, 1)
    agent = node.agent()
    assert agent.answer["ready"], agent.answer
    expect_migrated(node, old)
    assert node.in_pod(node.a, connect, VIP4, 80)["data"] == f"origin {VIP4}:80\n"


def test_a_newer_layout_is_refused_and_left_as_it_is(node):
    write_layout(node.pins, NOW + 1)
    before = dump(f"{node.pins}/cv_pod")
    answer = node.agent().answer
    assert f"layout {NOW + 1}" in answer["error"] and f"up to {NOW}" in answer["error"], answer
    assert "newer agent" in answer["next"] and "culvert-agent unload" in answer["next"]
    assert layout_of(node.pins) == NOW + 1 and dump(f"{node.pins}/cv_pod") == before
    assert node.in_pod(node.a, connect, VIP4, 80)["data"] == f"origin {VIP4}:80\n"


@pytest.mark.parametrize("name, argv", [
    ("cv_pod", ["type", "hash", "key", 4, "value", 48, "entries", 1024]),        # another key
    ("cv_pod", ["type", "hash", "key", 8, "value", 400, "entries", 1024]),       # would lose bytes
    ("cv_kubelet", ["type", "array", "key", 4, "value", 4, "entries", 16384]),   # another type
])
def test_what_cannot_become_the_new_layout_is_refused_never_mixed(node, name, argv):
    write_layout(node.pins, 1)
    os.unlink(f"{node.pins}/{name}")
    bpftool("map", "create", f"{node.pins}/{name}", *argv, "name", name)
    answer = node.agent().answer
    assert f"{name} of layout 1 cannot become" in answer["error"], answer
    assert "culvert-agent unload" in answer["next"]
    assert layout_of(node.pins) == 1
    assert node.in_pod(node.a, connect, VIP4, 80)["data"] == f"origin {VIP4}:80\n"
