"""Source ports: no self-connect, and as many connections as without the mesh."""
import errno
import random
import socket
import subprocess

from world import connect


def set_range(world, pod, value):
    subprocess.run(["ip", "netns", "exec", pod.netns, "sysctl", "-qw", f"net.ipv4.ip_local_port_range={value}"],
                   check=True)


def many(targets, each):
    sockets, errors = [], []
    for _ in range(each):
        for target in targets:
            s = socket.socket()
            s.settimeout(60)
            try:
                s.connect((target, 80))
                sockets.append(s)
            except OSError as error:
                errors.append(error.errno)
    return len(sockets), errors[:3]


def test_a_thousand_connections_to_ten_destinations_with_a_hundred_source_ports(world):
    world.agent().enroll(world.a)
    z = world.ztunnel(world.a)
    set_range(world, world.a, "40000 40099")
    # Any ten: were the port of the block a hash of the destination, most choices would collide.
    targets = [f"10.{random.randint(80, 99)}.{n}.{random.randint(1, 250)}" for n in range(10)]
    assert world.in_pod(world.a, many, targets, 100) == (1000, [])
    origins = [z.next()["origin"] for _ in range(1000)]
    assert {t: origins.count(f"{t}:80") for t in targets} == {t: 100 for t in targets}


def hammer(target, family, count):
    seen = set()
    for _ in range(count):
        s = socket.socket(family)
        s.settimeout(60)
        seen.add(s.connect_ex((target, 80)))
        s.close()
    return seen


def test_no_socket_connects_to_itself_while_ztunnel_is_dead(world):
    world.agent(block="32768-32783").enroll(world.a)
    # The block lies in the range; only its 16 ports and 64 others could be picked.
    set_range(world, world.a, "32768 32847")
    for target, family in (("10.96.0.1", socket.AF_INET), ("fd96::1", socket.AF_INET6)):
        assert world.in_pod(world.a, hammer, target, family, 300) == {errno.ECONNREFUSED}


def test_no_self_connect_with_the_widest_common_port_range(world):
    world.agent().enroll(world.a)
    set_range(world, world.a, "1024 65535")
    assert world.in_pod(world.a, hammer, "10.96.0.1", socket.AF_INET, 500) == {errno.ECONNREFUSED}


def test_a_socket_bound_to_a_port_of_the_block_does_not_connect_to_itself(world):
    world.agent().enroll(world.a)
    for port in range(288, 304):
        for target, source in (("10.96.0.1", world.a.v4), ("fd96::1", world.a.v6), ("10.96.0.1", "127.0.0.1")):
            seen = world.in_pod(world.a, connect, target, 80, None, (source, port))
            assert seen["errno"] == errno.ECONNREFUSED, (target, source, port, seen)
