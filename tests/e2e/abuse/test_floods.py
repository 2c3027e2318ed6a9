"""HTTP/2 abused by an authenticated peer: memory bounded, others unharmed, the offender sent away and named."""
import re

import pytest
from lab import wait_until

ENHANCE_YOUR_CALM, PROTOCOL_ERROR = 11, 1
MIB = 1 << 20
PEAK_MIB = 40   # one connection's share while it attacks: its windows, buffers and streams
AFTER_MIB = 12  # what the allocator keeps
WITHOUT_END_S = "8"  # of attacks that nothing ends

# What the log says of each. Two bounds meet floods that want to be acknowledged, and a server that is
# made to reset many streams at once may see more open than it allowed first.
CONTROL = "too many control frames a second|acknowledgments pile up"
FLOODS = {
    "rapid_reset": "too many (resets|broken streams) a second", "made_resets": "too many broken streams a second|broke the protocol",
    "hpack_bomb": "too many broken streams a second", "settings": CONTROL, "ping": CONTROL, "priority": CONTROL,
    "empty_data": CONTROL,
}


def warnings(mesh):
    return [line for line in mesh.lab.logs("node/east", "ztunnel").splitlines() if " warn " in line and "tunnel of" in line]


def named(mesh, got, words):
    """A warning names the attacker, where it came from and why."""
    ip, port = got["local"]
    return any("spiffe://cluster.local/ns/shop/sa/far" in line and f"{ip}:{port}" in line and re.search(words, line)
               for line in warnings(mesh))


def attacked(mesh, witness, name, *options, port=8080):
    """The attack's own view, once the honest client was heard all the time and memory was flat."""
    mesh.answered("shop/far", "shop/web", 8080)
    before = mesh.memory()
    with witness:
        got = mesh.attack(name, *options, port=port)
    assert witness.answers and all(one["outcome"] == "answered" for one in witness.answers), witness.answers
    assert witness.peak - before < PEAK_MIB * MIB, (before, witness.peak, got)
    wait_until(lambda: mesh.memory() - before < AFTER_MIB * MIB, f"memory as before: {before}, {mesh.memory()}")
    return got


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
    assert mesh.attack("behave", "--seconds", "2")["answers"] == 1
