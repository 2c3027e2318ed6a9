"""Outbound: what an enrolled pod's application and ztunnel see of a captured connection."""
import errno
import os
import socket
import subprocess

import pytest

from lab import wait_until
from world import Wire, connect

VIP4, VIP6 = "10.96.0.1", "fd96::1"


@pytest.fixture
def mesh(world):
    world.agent_ = world.agent()
    assert world.agent_.answer["ready"]
    world.agent_.enroll(world.a)
    world.z = world.ztunnel(world.a)
    return world


def test_ipv4_reaches_ztunnel_with_the_original_destination(mesh):
    seen = mesh.in_pod(mesh.a, connect, VIP4, 80)
    assert seen["data"] == f"origin {VIP4}:80\n"
    assert seen["peer"] == (VIP4, 80) and seen["local"][0] == mesh.a.v4
    event = mesh.z.next()
    assert event["origin"] == f"{VIP4}:80" and event["peer"].startswith(mesh.a.v4)


def test_ipv6_reaches_ztunnel_with_the_original_destination(mesh):
    seen = mesh.in_pod(mesh.a, connect, VIP6, 443)
    assert seen["data"] == f"origin [{VIP6}]:443\n"
    assert seen["peer"] == (VIP6, 443) and seen["local"][0] == mesh.a.v6


def test_mapped_address_on_a_dual_stack_socket_keeps_its_form(mesh):
    seen = mesh.in_pod(mesh.a, connect, f"::ffff:{VIP4}", 8080)
    assert seen["data"] == f"origin {VIP4}:8080\n"
    assert seen["peer"] == (f"::ffff:{VIP4}", 8080) and seen["local"][0] == f"::ffff:{mesh.a.v4}"


@pytest.mark.parametrize("bind,target", [
    (("127.0.0.1", 0), VIP4), (("10.77.0.2", 0), VIP4), (("10.77.0.2", 40000), VIP4), (("10.77.0.2", 288), VIP4),
    (("::1", 0), VIP6), (("fd77::2", 0), VIP6), (("::ffff:127.0.0.1", 0), f"::ffff:{VIP4}")])
def test_a_bound_source_is_captured_too(mesh, bind, target):
    seen = mesh.in_pod(mesh.a, connect, target, 80, None, bind)
    assert seen["errno"] == 0 and seen["data"].startswith("origin "), seen
    assert seen["local"][0] == bind[0]
    assert mesh.z.next()["kind"] == "outbound"


def test_a_second_address_of_the_pod_as_source_is_captured(mesh):
    subprocess.run(["ip", "-n", mesh.a.netns, "addr", "add", "10.77.0.99/24", "dev", "eth0"], check=True)
    seen = mesh.in_pod(mesh.a, connect, VIP4, 80, None, ("10.77.0.99", 0))
    assert seen["data"] == f"origin {VIP4}:80\n" and seen["local"][0] == "10.77.0.99"


def test_nothing_captured_is_on_the_wire(mesh):
    wire = Wire(mesh)
    for target in (VIP4, VIP6, f"::ffff:{VIP4}", mesh.b.v4):
        assert mesh.in_pod(mesh.a, connect, target, 80)["errno"] == 0
    assert wire.stop() == []


def test_loopback_and_own_address_stay_in_the_pod(mesh):
    mesh.server(mesh.a, "::", 9000)
    for target in ("127.0.0.1", "::1", "::ffff:127.0.0.1", "0.0.0.0", mesh.a.v4, mesh.a.v6):
        seen = mesh.in_pod(mesh.a, connect, target, 9000)
        assert seen.get("data") == "hello\n", (target, seen)
    assert mesh.z.lines.empty()


def test_the_block_on_the_own_address_is_refused_and_on_loopback_is_no_call(mesh):
    assert mesh.in_pod(mesh.a, connect, mesh.a.v4, 290)["errno"] == errno.ECONNREFUSED
    assert mesh.in_pod(mesh.a, connect, mesh.a.v6, 303)["errno"] == errno.ECONNREFUSED
    assert mesh.in_pod(mesh.a, connect, "127.0.0.1", 290)["errno"] == errno.ECONNRESET
    assert mesh.z.next()["origin"] is None


def test_a_pod_without_ipv6_gets_network_unreachable(world):
    agent = world.agent()
    agent.enroll(world.a, world.a.v4)
    world.ztunnel(world.a)
    assert world.in_pod(world.a, connect, VIP6, 80)["errno"] == errno.ENETUNREACH
    assert world.in_pod(world.a, connect, VIP4, 80)["errno"] == 0


def test_excluded_ranges_and_ports_go_out_untouched(world):
    agent = world.agent(exclude_cidr=f"{world.b.v4}/32", exclude_port="9999")
    agent.enroll(world.a)
    z = world.ztunnel(world.a)
    first = world.server(world.b, "::", 9000)
    second = world.server(world.b, "::", 9999)
    assert world.in_pod(world.a, connect, world.b.v4, 9000)["data"] == "hello\n"
    assert world.in_pod(world.a, connect, world.b.v6, 9999)["data"] == "hello\n"
    assert first.entries()[0]["peer"][0] == f"::ffff:{world.a.v4}" and len(second.entries()) == 1
    assert z.lines.empty()
    assert world.in_pod(world.a, connect, world.b.v6, 9000)["data"].startswith("origin ")


def test_a_reused_socket_forgets_the_captured_destination(mesh):
    mesh.server(mesh.a, "0.0.0.0", 9000)

    def reuse():
        s = socket.socket()
        s.connect((VIP4, 80))
        first = s.getpeername()
        disconnect(s)
        s.connect(("127.0.0.1", 9000))
        return first, s.getpeername()

    assert mesh.in_pod(mesh.a, reuse) == ((VIP4, 80), ("127.0.0.1", 9000))


def test_a_socket_reused_after_the_pod_left_the_mesh_shows_its_real_peer(mesh):
    mesh.server(mesh.b, "0.0.0.0", 9000)

    def first_half():
        s = socket.socket()
        s.connect((VIP4, 80))
        disconnect(s)
        mesh.agent_.ask("unenroll", mesh.a.path)
        s.connect((mesh.b.v4, 9000))
        return s.getpeername()

    # The child cannot read the agent's answers (its reader thread stays in the parent).
    mesh.agent_.next = lambda timeout=0: wait_until(lambda: mesh.entries("cv_pod") == 0 and not os.listdir(f"{mesh.pins}/pods"),
                                                    "the pod has left")
    assert mesh.in_pod(mesh.a, first_half) == (mesh.b.v4, 9000)


def test_a_process_of_another_cgroup_in_the_pod_is_captured(mesh):
    seen = mesh.call(mesh.a.netns, f"{mesh.cgroup}/other", connect, VIP4, 80)
    assert seen["data"] == f"origin {VIP4}:80\n"


def test_nonblocking_and_fast_open_connects_are_captured(mesh):
    def nonblocking():
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex((VIP4, 80))
        s.setblocking(True)
        return s.recv(100).decode()

    def fast_open():
        s = socket.socket()
        s.sendto(b"x", socket.MSG_FASTOPEN, (VIP4, 81))
        return s.recv(100).decode()

    assert mesh.in_pod(mesh.a, nonblocking) == f"origin {VIP4}:80\n"
    assert mesh.in_pod(mesh.a, fast_open).startswith(f"origin {VIP4}:81\n")


def test_mptcp_is_off_in_the_pod(mesh):
    def mptcp():
        try:
            socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)
            return 0
        except OSError as error:
            return error.errno

    assert mesh.in_pod(mesh.a, mptcp) in (errno.ENOPROTOOPT, errno.EPROTONOSUPPORT)


def disconnect(s):
    """connect(AF_UNSPEC), which Python's socket module cannot say."""
    import ctypes
    assert ctypes.CDLL(None).connect(s.fileno(), bytes(16), 16) == 0
