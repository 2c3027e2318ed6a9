"""A handshake table that is full: what needs an entry is refused, and goes on when there is room."""
import errno
import json
import subprocess

from frames import counts
from world import BPFTOOL, connect

VIP4 = "10.96.0.1"
SLOTS = 16


def junk(world, number):
    """The bytes of a key that no connection has."""
    (info,) = [m for m in json.loads(subprocess.run([BPFTOOL, "-j", "map", "show", "pinned", f"{world.pins}/cv_origin"],
                                                    check=True, capture_output=True, text=True).stdout
                                     .join("[]"))]
    return ([str(number + 1)] + ["0"] * (info["bytes_key"] - 1), ["0"] * info["bytes_value"])


def fill(world, word):
    for number in range(SLOTS):
        key, value = junk(world, number)
        more = ["value", *value] if word == "update" else []
        subprocess.run([BPFTOOL, "map", word, "pinned", f"{world.pins}/cv_origin", "key", *key, *more], check=True,
                       capture_output=True)


def test_a_full_handshake_table_refuses_and_is_counted(world):
    cookie = world.agent(max_handshakes=str(SLOTS)).enroll(world.a)
    z = world.ztunnel(world.a)
    assert world.in_pod(world.a, connect, VIP4, 80)["data"] == f"origin {VIP4}:80\n"
    assert z.next()["origin"] == f"{VIP4}:80"
    fill(world, "update")
    seen = world.in_pod(world.a, connect, VIP4, 80)
    assert seen["errno"] == errno.ECONNRESET, seen
    assert z.next()["origin"] is None
    assert counts(world, cookie)["ORIGIN_FULL"] == 1
    fill(world, "delete")
    assert world.in_pod(world.a, connect, VIP4, 80)["data"] == f"origin {VIP4}:80\n"
    assert world.entries("cv_origin") == 0
