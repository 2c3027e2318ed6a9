"""Nothing of TCP leaves a pod but by ztunnel: whoever sends, by whatever socket, in whatever frame.

Each evasion is tried with a strict guard, where it must not reach the node's end of the pod's link, and
with the guard on observe and off, where it must: the evasion works, and the test can fail.
"""
import errno
import os

import kernel
import pytest

from frames import (DESTINATION, ETH_IP, ETH_IP6, FRAGMENT, HOP_BY_HOP, MARK, PORT, SYN, Left, counts, errno_name,
                    ethernet, extension, ip4, ip6, register_xdp, send_frame, send_raw, send_udp, tcp)
from world import Wire, cgroup2_mount, connect

A4, B4, A6, B6 = "10.77.0.2", "10.77.0.3", "fd77::2", "fd77::3"
PLAIN4 = ethernet(ETH_IP, ip4(A4, B4, tcp()))
PLAIN6 = ethernet(ETH_IP6, ip6(A6, B6, tcp()))
LATER6 = bytes([DESTINATION, 0]) + (8 << 3 | 1).to_bytes(2, "big") + b"\0\0\0\1"

# How, and which reason counts it.
EVASIONS = {
    "data by a packet socket": (send_frame, (PLAIN4,), "GUARD_DATA"),
    "a SYN by a packet socket": (send_frame, (ethernet(ETH_IP, ip4(A4, B4, tcp(SYN))),), "GUARD_SYN"),
    "IPv6 by a packet socket": (send_frame, (PLAIN6, ETH_IP6), "GUARD_DATA"),
    "a frame that claims to be no IP": (send_frame, (PLAIN4, 0x1234), "GUARD_DATA"),
    "a frame with a VLAN tag": (send_frame, (ethernet(ETH_IP, ip4(A4, B4, tcp()), [5]),), "GUARD_DATA"),
    "a frame with two VLAN tags": (send_frame, (ethernet(ETH_IP, ip4(A4, B4, tcp()), [5, 6]),), "GUARD_DATA"),
    "a frame with three VLAN tags": (send_frame, (ethernet(ETH_IP, ip4(A4, B4, tcp()), [5, 6, 7]),),
                                     "GUARD_UNREADABLE"),
    "a raw socket": (send_raw, (B4, tcp()), "GUARD_DATA"),
    "a raw IPv6 socket": (send_raw, (B6, tcp()), "GUARD_DATA"),
    "behind extension headers": (send_frame, (ethernet(ETH_IP6, ip6(
        A6, B6, extension(DESTINATION) + extension(6) + tcp(), HOP_BY_HOP)), ETH_IP6), "GUARD_DATA"),
    "behind too many extension headers": (send_frame, (ethernet(ETH_IP6, ip6(
        A6, B6, extension(DESTINATION) * 12 + extension(6) + tcp(), DESTINATION)), ETH_IP6), "GUARD_UNREADABLE"),
    "a first fragment": (send_frame, (ethernet(ETH_IP, ip4(A4, B4, tcp(), 0x2000)),), "GUARD_DATA"),
    "a later fragment": (send_frame, (ethernet(ETH_IP, ip4(A4, B4, MARK * 2, 0x2003)),), "GUARD_FRAGMENT"),
    "a later IPv6 fragment": (send_frame, (ethernet(ETH_IP6, ip6(A6, B6, LATER6 + MARK * 2, FRAGMENT)), ETH_IP6),
                              "GUARD_FRAGMENT"),
    "a header cut short": (send_frame, (ethernet(ETH_IP, ip4(A4, B4, MARK)),), "GUARD_UNREADABLE"),
}


@pytest.mark.parametrize("name", EVASIONS)
def test_an_evasion_does_not_leave_the_pod(world, name):
    function, args, reason = EVASIONS[name]
    agent = world.agent()
    for mode, leaves in (("strict", False), ("observe", True), ("off", True)):
        cookie = agent.enroll(world.a, A4, A6, mode)
        before = counts(world, cookie)
        left = Left(world)
        said = world.in_pod(world.a, function, *args)
        seen = left.stop()
        now = counts(world, cookie)
        assert bool(seen) == leaves, (name, mode, errno_name(said), seen)
        counted = now.get(reason, 0) - before.get(reason, 0)
        dropped = now.get("GUARD_DROPPED", 0) - before.get("GUARD_DROPPED", 0)
        assert (counted > 0, dropped > 0) == {"strict": (True, True), "observe": (True, False),
                                              "off": (False, False)}[mode], (mode, now)


@pytest.mark.parametrize("address", [B4, B6])
def test_a_process_from_another_cgroup_in_the_pods_namespace_reaches_nobody(world, address):
    agent = world.agent()
    server = world.server(world.b, "::", 80)
    for mode, leaves in (("strict", False), ("off", True)):
        agent.enroll(world.a, A4, A6, mode)
        wire = Wire(world)
        seen = world.call(world.a.netns, cgroup2_mount(), connect, address, 80, None, None, 1.0)
        assert bool(wire.stop()) == leaves, (mode, seen)
        assert bool(server.entries()) == leaves


def test_sockets_that_send_past_the_queues_are_refused_in_strict_mode(world):
    agent = world.agent()
    for mode, leaves in (("observe", True), ("strict", False), ("off", True)):
        cookie = agent.enroll(world.a, A4, A6, mode)
        left = Left(world)
        said = world.in_pod(world.a, send_frame, PLAIN4, ETH_IP, True)
        xdp = world.in_pod(world.a, register_xdp)
        assert bool(left.stop()) == leaves
        assert "GUARD_DATA" not in counts(world, cookie)  # the guard does not see them
        if leaves:
            assert said == 0 and xdp in (0, errno.EAFNOSUPPORT)
        else:
            assert said == errno.EPERM and xdp in (errno.EPERM, errno.EAFNOSUPPORT)
            assert counts(world, cookie)["GUARD_BYPASS"] >= 1


def test_what_is_not_tcp_and_what_is_excluded_leaves(world):
    agent = world.agent(exclude_cidr="10.77.0.3/32", exclude_port=str(PORT + 1))
    cookie = agent.enroll(world.a)
    left = Left(world)
    for function, args in ((send_udp, (B6,)), (send_frame, (PLAIN4,)),
                           (send_frame, (ethernet(ETH_IP, ip4(A4, "10.77.0.9", tcp(port=PORT + 1))),)),
                           (send_frame, (ethernet(ETH_IP, ip4(A4, "169.254.169.254", tcp())),)),
                           (send_frame, (ethernet(ETH_IP, ip4(A4, B4, MARK * 2, 0x2003)),))):
        world.in_pod(world.a, function, *args)
    assert len(left.stop()) == 5
    assert counts(world, cookie)["GUARD_EXEMPT"] == 4 and "GUARD_DROPPED" not in counts(world, cookie)


@pytest.mark.parametrize("hook", ["tcx", "clsact"])
def test_ztunnels_connections_pass_also_those_of_a_second_one_and_of_the_next(world, hook):
    agent = world.agent(guard_hook=hook)
    cookie = agent.enroll(world.a)
    agent.enroll(world.b)
    server = world.server(world.b, "::", 80)
    former = [world.ztunnel(world.a, "relay"), world.ztunnel(world.b)]
    for target in (B4, B6):
        assert world.in_pod(world.a, connect, target, 80)["data"] == "hello\n"
        assert world.on_node(connect, target, 80)["data"] == "hello\n"
    # Two at once, the newer one in another cgroup: each serves what it accepted.
    with open(f"{world.cgroup}/other/cgroup.procs", "w") as procs:
        newer = [world.ztunnel(world.a, "relay"), world.ztunnel(world.b)]
        for ztunnel in newer:
            procs.write(str(ztunnel.process.pid))
            procs.flush()
    assert world.in_pod(world.a, connect, B4, 80)["data"] == "hello\n"
    for ztunnel in former:
        ztunnel.kill()
    for target in (B4, B6):
        assert world.in_pod(world.a, connect, target, 80)["data"] == "hello\n"
        assert world.on_node(connect, target, 80)["data"] == "hello\n"
    assert len(server.entries()) == 9
    assert "GUARD_DROPPED" not in counts(world, cookie)


def test_the_kubelets_probes_are_answered_and_a_refusal_is_not_turned_into_silence(world):
    agent = world.agent()
    cookie = agent.enroll(world.b)
    world.server(world.b, "::", 80)
    for target in (B4, B6):
        assert world.on_node(connect, target, 80, cgroup="kubelet")["data"] == "hello\n"
        assert world.on_node(connect, target, 80)["errno"] == errno.ECONNREFUSED
    assert counts(world, cookie)["GUARD_EXEMPT"] > 0 and "GUARD_DROPPED" not in counts(world, cookie)


@pytest.mark.parametrize("hook", ["tcx", "clsact"])
def test_the_guard_outlives_the_agent_and_goes_with_the_pod(world, hook):
    agent = world.agent(guard_hook=hook)
    agent.enroll(world.a)
    agent.kill()

    def stopped():
        left = Left(world)
        world.in_pod(world.a, send_frame, PLAIN4)
        return left.stop() == []

    assert stopped()
    agent = world.agent(guard_hook=hook)
    assert stopped()
    agent.enroll(world.a)
    assert stopped()
    assert len(os.listdir(f"{world.pins}/guards")) == (hook == "tcx" and kernel.has(kernel.TCX))
    agent.unenroll(world.a)
    assert not stopped() and os.listdir(f"{world.pins}/guards") == []
    assert qdiscs(world) == "qdisc noqueue 0: root refcnt 2"


def test_a_new_interface_of_the_pod_gets_the_guard_that_the_former_one_had(world):
    from world import ip
    agent = world.agent()
    agent.enroll(world.a)
    ip("link", "del", "eth0", netns=world.a.netns)
    ip("link", "add", "eth0", "type", "veth", "peer", "name", "a", "netns", world.node, netns=world.a.netns)
    ip("link", "set", "dev", "a", "up", netns=world.node)
    ip("addr", "add", f"{A4}/24", "dev", "eth0", netns=world.a.netns)
    ip("link", "set", "eth0", "up", netns=world.a.netns)
    agent.enroll(world.a)
    left = Left(world)
    assert world.in_pod(world.a, send_frame, PLAIN4) == errno.ENOBUFS
    assert left.stop() == [] and len(os.listdir(f"{world.pins}/guards")) == kernel.has(kernel.TCX)


def test_a_filter_that_root_in_the_pod_took_away_stands_again_when_the_agent_has_looked(world):
    import subprocess
    agent = world.agent(guard_hook="clsact")
    agent.enroll(world.a)
    for what in ("filter", "qdisc"):
        words = ["egress"] if what == "filter" else ["clsact"]
        subprocess.run(["tc", "-n", world.a.netns, what, "del", "dev", "eth0", *words], check=True)
        left = Left(world)
        world.in_pod(world.a, send_frame, PLAIN4)
        assert left.stop() != []
        assert agent.ask("list")["pods"][0]["unguarded"]
        agent.enroll(world.a)
        left = Left(world)
        world.in_pod(world.a, send_frame, PLAIN4)
        assert left.stop() == []
    agent.unenroll(world.a)
    assert qdiscs(world) == "qdisc noqueue 0: root refcnt 2"


def qdiscs(world):
    import subprocess
    done = subprocess.run(["tc", "-n", world.a.netns, "qdisc", "show", "dev", "eth0"], capture_output=True, text=True)
    return done.stdout.strip()
