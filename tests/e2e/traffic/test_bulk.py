"""Much data and many connections over one pair of pods."""
import json
import re
import subprocess

from lab import APPS, wait_until
from town import CLIENT, established, ip_of, talk

BULK = APPS / "bulk.py"
BULK_BYTES = 200 << 20
CONNECTIONS = 300
STREAMS_A_TUNNEL = 100  # Istio's default, and ours


def test_200_mib_both_ways_at_once_arrive_as_they_were_sent(way):
    lab, server = way
    done = lab.exec(CLIENT, "python3", BULK, "call", ip_of(lab, server, 6), 5001, BULK_BYTES, BULK_BYTES,
                    timeout=300)
    assert done.returncode == 0, done.stderr
    mine = json.loads(done.stdout)
    assert mine["error"] is None and mine["bytes"] == BULK_BYTES

    def theirs():
        return next((line for line in lab.log_lines(server, "flood") if line.get("peer") == mine["getsockname"]), None)
    its = wait_until(theirs, "the server's digest")
    assert its["bytes"] == BULK_BYTES
    assert (its["received"], its["sent"]) == (mine["sent"], mine["received"])


def test_300_connections_share_few_tunnels_and_open_another_when_one_is_full(joined):
    def served():  # what ztunnel has opened to the application
        return established(joined, "town/far", 5001)
    wait_until(lambda: served() == 0, "what was there before has ended")
    many = joined.popen(CLIENT, "python3", BULK, "echo", ip_of(joined, "town/far", 4), 5001, CONNECTIONS,
                        stdin=subprocess.PIPE)
    try:
        echo = json.loads(many.stdout.readline())
        assert echo["right"]
        tunnels = established(joined, CLIENT, 15008)
        wanted = CONNECTIONS // STREAMS_A_TUNNEL
        assert wanted <= tunnels <= 2 * wanted
        assert served() == CONNECTIONS
    finally:
        many.stdin.close()
        many.wait(timeout=60)


def test_a_tunnel_is_used_again_by_later_connections(joined):
    def tunnels():
        out = joined.exec(CLIENT, "ss", "-Htn", "state", "established", "dport", "=", ":15008", check=True).stdout
        return set(re.findall(r":(\d+) +\S+:15008", out))
    assert talk(joined, ip_of(joined, "town/far", 6), 7006, "fin,eof")["heard"] == ["bye"]
    before = tunnels()
    for _ in range(5):
        talk(joined, ip_of(joined, "town/far", 6), 7006, "fin,eof")
    after = tunnels()  # of several to one pod, those that it can do without end
    assert after and after <= before
