"""Without ztunnel every connection of an enrolled pod is refused: nothing reaches the application, and
no segment that opens a connection or carries data reaches the wire."""
import errno
import socket

import pytest

from world import Wire, connect

VIP4, VIP6 = "10.96.0.1", "fd96::1"
OUTBOUND = [(VIP4, None), (VIP6, None), (f"::ffff:{VIP4}", None), ("10.77.0.3", None), ("fd77::3", None),
            (VIP4, ("127.0.0.1", 0)), (VIP4, ("10.77.0.2", 0)), (VIP4, ("10.77.0.2", 40000)),
            (VIP6, ("::1", 0)), (VIP6, ("fd77::2", 0)), (f"::ffff:{VIP4}", ("::ffff:127.0.0.1", 0))]


def dead_ztunnel(world, how):
    agent = world.agent()
    agent.enroll(world.a)
    agent.enroll(world.b)
    if how == "killed":
        for pod in (world.a, world.b):
            z = world.ztunnel(pod)
            assert world.in_pod(pod, connect, VIP4, 80)["errno"] == 0
            z.kill()
    if how == "agent killed too":
        agent.kill()


@pytest.mark.parametrize("how", ["not there yet", "killed", "agent killed too"])
def test_outbound_is_refused_and_nothing_leaves(world, how):
    dead_ztunnel(world, how)
    # Applications that listen where redirected connections go, and where they meant to go.
    block = [world.server(world.a, "::", port) for port in (288, 295, 303)]
    target = world.server(world.b, "::", 80)
    wire = Wire(world)
    for address, bind in OUTBOUND:
        seen = world.in_pod(world.a, connect, address, 80, None, bind)
        assert seen["errno"] == errno.ECONNREFUSED, (address, bind, seen)
    assert wire.stop() == []
    assert [s.entries() for s in block] == [[], [], []] and target.entries() == []


@pytest.mark.parametrize("how", ["not there yet", "killed", "agent killed too"])
def test_inbound_is_refused_and_the_application_sees_nothing(world, how):
    dead_ztunnel(world, how)
    servers = [world.server(world.b, "::", port) for port in (80, 15008, 288)]
    wire = Wire(world)
    for address in (world.b.v4, world.b.v6, f"::ffff:{world.b.v4}"):
        for port in (80, 15008, 288):
            seen = world.on_node(connect, address, port)
            assert seen["errno"] == errno.ECONNREFUSED, (address, port, seen)
    assert all(payload == b"" for *_, payload in wire.stop())
    assert [s.entries() for s in servers] == [[], [], []]


def test_fast_open_data_does_not_reach_the_wire(world):
    dead_ztunnel(world, "not there yet")

    def fast_open():
        try:
            socket.socket().sendto(b"secret", socket.MSG_FASTOPEN, (VIP4, 80))
            return 0
        except OSError as error:
            return error.errno

    wire = Wire(world)
    assert world.in_pod(world.a, fast_open) == errno.ECONNREFUSED
    assert wire.stop() == []


def test_the_wire_capture_would_show_a_leak(world):
    server = world.server(world.b, "::", 80)
    wire = Wire(world)
    assert world.in_pod(world.a, connect, world.b.v4, 80)["data"] == "hello\n"
    assert any(payload == b"hello\n" for *_, payload in wire.stop())
    assert len(server.entries()) == 1


def test_failed_handshakes_leave_no_entries(world):
    dead_ztunnel(world, "killed")
    for address, bind in OUTBOUND:
        world.in_pod(world.a, connect, address, 80, None, bind)
    assert world.entries("cv_origin") == 0 and world.entries("cv_client") == 0


def test_finished_connections_leave_no_entries(world):
    agent = world.agent()
    agent.enroll(world.a)
    agent.enroll(world.b)
    world.ztunnel(world.a, "relay")
    world.ztunnel(world.b)
    world.server(world.b, "::", 80)
    for _ in range(20):
        assert world.in_pod(world.a, connect, world.b.v4, 80)["data"] == "hello\n"
    assert world.on_node(connect, world.b.v4, 80, cgroup="kubelet")["data"] == "hello\n"
    assert [world.entries(name) for name in ("cv_origin", "cv_client", "cv_kubelet")] == [0, 0, 0]
