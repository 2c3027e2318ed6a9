"""Inbound: connections to an enrolled pod, and whom its application sees."""
import errno

import pytest

from world import connect

pytestmark = pytest.mark.sanitized


def enroll_b(world):
    agent = world.agent()
    agent.enroll(world.b)
    return agent


def test_the_application_sees_the_real_client_by_accept_and_getpeername(world):
    enroll_b(world)
    z = world.ztunnel(world.b)
    server = world.server(world.b, "0.0.0.0", 8080)
    seen = world.in_pod(world.a, connect, world.b.v4, 8080)
    assert seen["data"] == "hello\n"
    entry = server.entries()[0]
    assert entry["accept"] == entry["peer"] == [world.a.v4, seen["local"][1]]
    event = z.next()
    assert event["kind"] == "plaintext" and event["local"] == f"{world.b.v4}:8080"


def test_ipv6_clients_are_shown_too(world):
    enroll_b(world)
    world.ztunnel(world.b)
    server = world.server(world.b, "::", 8080)
    seen = world.in_pod(world.a, connect, world.b.v6, 8080)
    assert seen["data"] == "hello\n"
    entry = server.entries()[0]
    assert entry["accept"] == entry["peer"] == [world.a.v6, seen["local"][1]]


def test_a_dual_stack_application_sees_a_mapped_ipv4_client(world):
    enroll_b(world)
    world.ztunnel(world.b)
    server = world.server(world.b, "::", 8080)
    seen = world.in_pod(world.a, connect, world.b.v4, 8080)
    assert seen["data"] == "hello\n"
    assert server.entries()[0]["accept"] == [f"::ffff:{world.a.v4}", seen["local"][1]]


def test_port_15008_goes_to_the_hbone_listener(world):
    enroll_b(world)
    z = world.ztunnel(world.b)
    for target in (world.b.v4, world.b.v6):
        world.in_pod(world.a, connect, target, 15008)
        assert z.next()["kind"] == "hbone"


def test_both_pods_enrolled_see_each_other(world):
    agent = enroll_b(world)
    agent.enroll(world.a)
    world.ztunnel(world.a, "relay")
    world.ztunnel(world.b)
    server = world.server(world.b, "::", 8080)
    for target, client in ((world.b.v4, f"::ffff:{world.a.v4}"), (world.b.v6, world.a.v6),
                           (f"::ffff:{world.b.v4}", f"::ffff:{world.a.v4}")):
        seen = world.in_pod(world.a, connect, target, 8080)
        assert seen["data"] == "hello\n" and seen["peer"] == (target, 8080)
        assert server.entries()[-1]["peer"][0] == client


def test_the_kubelets_own_connections_pass_and_the_same_address_from_elsewhere_does_not(world):
    enroll_b(world)
    server = world.server(world.b, "::", 8080)
    for target in (world.b.v4, world.b.v6):
        assert world.on_node(connect, target, 8080, cgroup="kubelet")["data"] == "hello\n"
        assert world.on_node(connect, target, 8080)["errno"] == errno.ECONNREFUSED
    assert len(server.entries()) == 2
    assert server.entries()[0]["peer"][0] == "::ffff:10.77.0.1"


def test_a_closed_application_port_is_refused_through_ztunnel(world):
    enroll_b(world)
    world.ztunnel(world.b)
    assert world.in_pod(world.a, connect, world.b.v4, 8081)["errno"] == errno.ECONNRESET
