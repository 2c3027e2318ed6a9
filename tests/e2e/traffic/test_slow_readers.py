"""Applications that do not read: they hold themselves back, and nobody else; memory stays bounded."""
import contextlib
import json
import subprocess

import pytest
from lab import APPS
from town import CLIENT, ip_of, pid_of

BULK = APPS / "bulk.py"
COUNT = 24            # more than a worker's receive buffers (16), and than windows of one tunnel (4)
ECHO_S = 40           # another connection's round trip meanwhile; it never comes when they stop it
# 24 streams of 4 MiB at the receiving ztunnel, and its own 30 MiB.
RSS_MAX_BYTES = 24 * (4 << 20) + (30 << 20)


def resident_bytes(lab):
    """VmRSS of each node's ztunnel."""
    out = []
    for node in ("east", "west"):
        with open(f"/proc/{pid_of(lab, f'node/{node}/ztunnel')}/status") as status:
            out.append(next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS")))
    return out


@contextlib.contextmanager
def stalled(lab, server, direction):
    """COUNT connections whose sender has filled all that there is to fill."""
    process = lab.popen(CLIENT, "python3", BULK, "stall", direction, ip_of(lab, server, 4), 5001, COUNT,
                        stdin=subprocess.PIPE)
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.stdin.close()
        process.wait(timeout=60)


@pytest.mark.parametrize("direction", ["down", "up"])
def test_connections_that_nobody_reads_stop_no_other_and_grow_nothing(way, direction):
    lab, server = way
    with stalled(lab, server, direction) as state:
        assert state["stalled"] == COUNT
        done = lab.exec(CLIENT, "python3", BULK, "echo", ip_of(lab, server, 4), 5001, 5, input="", timeout=120)
        echo = json.loads(done.stdout)
        assert echo["right"] and echo["seconds"] < ECHO_S
        assert max(resident_bytes(lab)) < RSS_MAX_BYTES, resident_bytes(lab)
        done = lab.exec(CLIENT, "python3", BULK, "call", ip_of(lab, server, 4), 5001, 1 << 22, 1 << 22, timeout=120)
        assert json.loads(done.stdout)["bytes"] == 1 << 22
