"""After many short connections ztunnel and the kernel's maps are as they were."""
import json
import os

import pytest
from lab import APPS, culvert, wait_until
from town import CLIENT, ip_of, pid_of, talk

COUNT = 1000
STEADY = 10  # looks
CLOSED_PORT = 9
HANDSHAKE_MAPS = ("cv_origin", "cv_client")  # an entry lives for one handshake


def descriptors(lab):
    return [len(os.listdir(f"/proc/{pid_of(lab, f'node/{node}/ztunnel')}/fd")) for node in ("east", "west")]


def handshakes_kept(lab):
    """Entries of the maps through which each connection passes, on all nodes together."""
    maps = json.loads(culvert("maps", "list", "--lab", lab.name, "-o", "json").stdout)
    return {name: sum(one["entries"] for one in maps if one["map"] == name) for name in HANDSHAKE_MAPS}


def connect(lab, server, port, count):
    done = lab.exec(CLIENT, "python3", APPS / "tcp_client.py", ip_of(lab, server, 6), port, "--send", "x", "--count",
                    count, "--timeout", "30", timeout=300)
    return [json.loads(line) for line in done.stdout.splitlines()]


def check_nothing_is_left(lab, before):
    wait_until(lambda: all(now <= then for now, then in zip(descriptors(lab), before)), f"no more descriptors than {before}")
    wait_until(lambda: not any(handshakes_kept(lab).values()), f"no entries, not {handshakes_kept(lab)}")


@pytest.fixture
def warm(joined):
    """The lab with its tunnels open, and how many descriptors that takes."""
    for server in ("town/near", "town/far"):
        assert talk(joined, ip_of(joined, server, 6), 7006, "fin,eof")["heard"] == ["bye"]
    looks = [descriptors(joined)]  # until what was there before has ended

    def steady():
        looks.append(descriptors(joined))
        return len(looks) > STEADY and all(look == looks[-1] for look in looks[-STEADY:])
    wait_until(steady, "descriptors that stay as they are")
    return joined, looks[-1]


def test_1000_connections_one_after_another_leave_nothing(warm):
    lab, before = warm
    for server in ("town/near", "town/far"):
        answers = connect(lab, server, 2525, COUNT // 2)
        assert sum(a.get("received", "").startswith("220 ") for a in answers) == COUNT // 2
    check_nothing_is_left(lab, before)


def test_connections_that_were_refused_leave_nothing(warm):
    lab, before = warm
    for server in ("town/near", "town/far", "wild/outsider"):
        assert all("errno" in answer for answer in connect(lab, server, CLOSED_PORT, 30))
    check_nothing_is_left(lab, before)
