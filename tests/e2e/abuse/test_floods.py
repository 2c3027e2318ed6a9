"""HTTP/2 abused by an authenticated peer: memory bounded, others unharmed, the offender sent away and named."""
import re

import pytest
from abused import ENHANCE_YOUR_CALM, FLOODS, PROTOCOL_ERROR, WITHOUT_END_S, unharmed
from lab import wait_until


def warnings(mesh):
    return [line for line in mesh.lab.logs("node/east", "ztunnel").splitlines() if " warn " in line and "tunnel of" in line]


def named(mesh, got, words):
    """A warning names the attacker, where it came from and why."""
    ip, port = got["local"]
    return any("spiffe://cluster.local/ns/shop/sa/far" in line and f"{ip}:{port}" in line and re.search(words, line)
               for line in warnings(mesh))


def attacked(mesh, witness, name, *options, port=8080):
    return unharmed(witness, lambda: mesh.attack(name, *options, port=port))


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_is_answered_with_goaway_and_logged_with_its_reason(mesh, witness, name):
    got = attacked(mesh, witness, name)
    assert got["closed"], got
    assert got["goaway"] in (ENHANCE_YOUR_CALM, PROTOCOL_ERROR, None), got  # None: our reset overtook it
    wait_until(lambda: named(mesh, got, FLOODS[name]), f"a warning about {got}: {warnings(mesh)[-3:]}")


def test_endless_continuation_ends_the_connection(mesh, witness):
    got = attacked(mesh, witness, "continuation")
    assert got["closed"] and got["answers"] == 0, got
    wait_until(lambda: named(mesh, got, ""), f"a warning about {got}: {warnings(mesh)[-3:]}")


def test_ten_thousand_streams_are_not_opened(mesh, witness):
    got = attacked(mesh, witness, "many_streams")
    assert got["closed"] and got["answers"] <= 200, got
    wait_until(lambda: named(mesh, got, ""), f"a warning about {got}: {warnings(mesh)[-3:]}")


@pytest.mark.parametrize("name", ["zero_window", "slow_read", "dribble"])
def test_what_a_peer_does_not_take_is_not_held_for_it(mesh, witness, name):
    attacked(mesh, witness, name, "--seconds", WITHOUT_END_S, port=5001)


def test_resizing_the_header_table_is_harmless(mesh, witness):
    attacked(mesh, witness, "table_sizes", "--seconds", WITHOUT_END_S)


def test_after_all_this_the_attacker_itself_is_served_when_it_behaves(mesh):
    mesh.answered("shop/far", "shop/web", 8080)
    assert mesh.attack("behave")["answers"] == 1
