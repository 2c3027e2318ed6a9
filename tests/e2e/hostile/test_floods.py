"""HTTP/2 abused at the waypoint's HTTP, from outside and from within the mesh: memory flat, others served, who floods
is sent away and named in the log."""
import json
import re

import pytest
from abused import ENHANCE_YOUR_CALM, FLOODS, PEAK_MIB, PROTOCOL_ERROR, WITHOUT_END_S, Witness, memory_of, unharmed
from lab import APPS, wait_until


QUICK_FACES = ["edge"]  # without --long; from within the mesh two of them are tried anyhow
# What comes for clients that do not take it waits in the tunnel to the destination, all of its streams together within
# h2::Options::connection_unread_bytes (128 MiB). Once it is calm the allocator gives back what it was given then; memory is
# held against that of a process that was never attacked.
UNREAD_MIB = 128 + PEAK_MIB


def attack(face, name, *options, held=False):
    """What hbone_attack.py saw, while others were served. `held`: bytes wait for it meanwhile."""
    def run():
        done = face.lab.exec(face.client, "python3", APPS / "hbone_attack.py", name, face.host, "--plain", face.port,
                             "--authority", f"{face.host}:{face.port}", *options, timeout=120)
        assert done.stdout, done.stderr
        return json.loads(done.stdout)
    witness = Witness(face.get, lambda one: one == (0, "200"), lambda: memory_of(face.pid))
    if held:
        return unharmed(witness, run, UNREAD_MIB, UNREAD_MIB, face.fresh)
    return unharmed(witness, run)


def named(face, got, words):
    """A warning names where the attacker came from, and why it was sent away."""
    ip, port = got["local"]
    return any(" warn " in line and (f"{ip}:{port}" in line or f"[{ip}]:{port}" in line) and re.search(words, line)
               for line in face.log().splitlines())


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_is_answered_with_goaway_and_logged_with_its_reason(face, name):
    got = attack(face, name)
    assert got["closed"], got
    assert got["goaway"] in (ENHANCE_YOUR_CALM, PROTOCOL_ERROR, None), got  # None: our reset overtook it
    wait_until(lambda: named(face, got, FLOODS[name]), f"a warning about {got}")


def test_endless_continuation_ends_the_connection(face):
    got = attack(face, "continuation")
    assert got["closed"] and got["answers"] == 0, got
    wait_until(lambda: named(face, got, ""), f"a warning about {got}")


def test_ten_thousand_streams_are_not_opened(face):
    got = attack(face, "many_streams")
    assert got["closed"] and got["answers"] <= 200, got
    wait_until(lambda: named(face, got, ""), f"a warning about {got}")


@pytest.mark.parametrize("name", ["zero_window", "slow_read", "dribble"])
def test_what_a_client_does_not_take_is_not_held_for_it(face, name):
    got = attack(face, name, "--seconds", WITHOUT_END_S, held=True)
    assert not got["closed"] and (got["answers"] > 0 or name == "slow_read"), got  # it was served


def test_what_waited_goes_back_to_the_system(edge):
    attack(edge, "slow_read", "--seconds", WITHOUT_END_S, held=True)
    wait_until(lambda: memory_of(edge.pid) - edge.fresh < PEAK_MIB << 20,
               f"memory is given back: {edge.fresh}, {memory_of(edge.pid)}", timeout=60)


def test_resizing_the_header_table_is_harmless(face):
    attack(face, "table_sizes", "--seconds", WITHOUT_END_S)


@pytest.mark.parametrize("name", ["rapid_reset", "slow_read"])
def test_a_client_of_the_mesh_harms_as_little(mesh, name):
    for _ in range(2):
        attack(mesh, name, "--seconds", WITHOUT_END_S, held=True)


def test_after_all_this_the_attacker_itself_is_served_when_it_behaves(face):
    assert face.get(client=face.client) == (0, "200")
