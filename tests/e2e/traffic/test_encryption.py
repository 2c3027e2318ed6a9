"""What the pods say to each other is on no link: a fresh nonce in each direction, searched in captures."""
import contextlib
import random
import re
import string

import pytest
from lab import APPS
from town import CLIENT, ip_of

LINKS = ["node/east", "node/west", CLIENT, "town/near", "town/far"]
ENDS = re.compile(r" IP6? \S+\.(\d+) > \S+\.(\d+): ")


@contextlib.contextmanager
def captures(lab):
    """Everything on the uplinks of the nodes and the links of the pods, by place."""
    with contextlib.ExitStack() as stack:
        yield {place: stack.enter_context(lab.capture(place, interface="eth0")) for place in LINKS}


def exchange(lab, server, family):
    """Says a nonce, and hears it in capitals: so each direction has bytes of its own. Returns both."""
    nonce = "".join(random.choices(string.ascii_lowercase, k=24))
    done = lab.exec(CLIENT, "python3", APPS / "talk.py", "call", ip_of(lab, server, family), 2525,
                    f"line,send:{nonce}\\n,fin,eof")
    assert nonce.upper() in done.stdout, done.stdout + done.stderr
    return nonce.encode(), nonce.upper().encode()


def run(lab, ways):
    """{(server, family): nonces} of one exchange each, and the captures."""
    with captures(lab) as links:
        said = {way: exchange(lab, *way) for way in ways}
    return said, links


ACROSS = [("town/far", 4), ("town/far", 6)]
SAME_NODE = [("town/near", 4), ("town/near", 6)]


def test_without_the_mesh_the_nonces_are_found_on_every_link_of_the_way(plain):
    said, links = run(plain, ACROSS + SAME_NODE)
    for way, nonces in said.items():
        places = [CLIENT, way[0]] + (["node/east", "node/west"] if way in ACROSS else [])
        for place in places:
            for nonce in nonces:
                assert nonce in links[place].bytes, (way, place)


@pytest.mark.parametrize("name", ["joined", "encrypted"])
def test_in_the_mesh_the_nonces_are_found_nowhere(request, name):
    lab = request.getfixturevalue(name)
    said, links = run(lab, ACROSS + SAME_NODE)
    for way, nonces in said.items():
        for place, capture in links.items():
            for nonce in nonces:
                assert nonce not in capture.bytes, (way, place)
    check_ports(links)
    assert any(" IP " in line for line in links["node/east"].packets()), "IPv4 crossed the uplink"
    assert any(" IP6 " in line for line in links["node/east"].packets()), "IPv6 crossed the uplink"


def check_ports(links):
    """Between nodes and on pods' links TCP goes to, or comes from, port 15008 only."""
    for place, capture in links.items():
        tcp = [line for line in capture.packets() if "Flags [" in line]
        others = [line for line in tcp if "15008" not in ENDS.search(line).groups()]
        assert others == [], place
    for node in ("node/east", "node/west"):
        assert any("Flags [" in line for line in links[node].packets()), "the tunnel was used"


def test_joined_pods_of_one_node_put_nothing_on_a_link_and_encrypted_ones_a_tunnel(joined, encrypted):
    for lab, tunneled in ((joined, False), (encrypted, True)):
        _, links = run(lab, SAME_NODE)
        tcp = [line for line in links["town/near"].packets() if "Flags [" in line]
        assert bool(tcp) == tunneled, tcp[:5]
