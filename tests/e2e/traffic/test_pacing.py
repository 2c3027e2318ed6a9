"""The hop between an application and ztunnel is not paced, whatever congestion control the host chose."""
import json
import pathlib
import subprocess

import pytest

from lab import APPS
from town import CLIENT, ip_of

CONNECTIONS = 3


def established(lab, pod):
    """(hops within the pod, connections to elsewhere): what ss says of each, as words."""
    out = lab.exec(pod, "ss", "-HOtin", "state", "established", check=True).stdout
    inside, outside = [], []
    for words in map(str.split, out.splitlines()):
        local, peer = (word.rsplit(":", 1)[0] for word in words[2:4])
        (inside if local == peer else outside).append(words)
    return inside, outside


@pytest.mark.parametrize("family", [4, 6])
def test_only_what_stays_in_the_pod_is_taken_from_the_hosts_congestion_control(joined, family):
    host = pathlib.Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip()
    client = joined.popen(CLIENT, "python3", APPS / "bulk.py", "echo", ip_of(joined, "town/far", family), 5001,
                          CONNECTIONS, stdin=subprocess.PIPE)
    try:
        assert json.loads(client.stdout.readline())["right"]
        for pod in (CLIENT, "town/far"):
            inside, outside = established(joined, pod)
            assert len(inside) >= 2 * CONNECTIONS and all("reno" in words for words in inside), inside
            assert outside and all(host in words for words in outside), outside
    finally:
        client.stdin.close()
        client.wait(timeout=60)
