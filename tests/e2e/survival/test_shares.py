"""What the pods of a node have in common in ztunnel: one that takes all it can does not take it from others."""
import json
import os
import resource
import subprocess
import time

import pytest

from lab import CULVERT, ENV, Lab, wait_until
from survival_mesh import PORT, SERVERS, component, fds, manifest

LIMIT = 1200         # RLIMIT_NOFILE of the lab's processes
RESERVED = 256       # kMinReservedDescriptors of ztunnel/settings.hpp
HOG_MOST = (LIMIT - RESERVED) // 2  # half of the rest, a descriptor for each connection that goes through a tunnel
ATTEMPTS = 600

# Opens connections, each with an echo, and keeps them; after a line on standard input once more over all.
KEEP = """
import json, socket, sys
ip, port, attempts = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
kept, errors = [], {}

def echo(s, text):
    s.sendall(text)
    return s.recv(len(text)) == text

for n in range(attempts):
    try:
        s = socket.create_connection((ip, port), 10)
        if not echo(s, b"%04d" % n):
            raise OSError("end")
        kept.append(s)
    except OSError as error:
        name = type(error).__name__
        errors[name] = errors.get(name, 0) + 1
print(json.dumps({"kept": len(kept), "errors": errors}), flush=True)
for line in sys.stdin:
    print(json.dumps({"alive": sum(echo(s, b"again") for s in kept)}), flush=True)
"""


class Keeper:
    def __init__(self, lab, pod, ip, attempts):
        self.process = lab.popen(pod, "python3", "-c", KEEP, ip, PORT, attempts, stdin=subprocess.PIPE)
        self.result = json.loads(self.process.stdout.readline())

    def alive(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())["alive"]

    def close(self):
        self.process.kill()
        self.process.wait(timeout=60)


@pytest.fixture(scope="module")
def narrow(flood):
    """A lab whose processes inherit a low limit from the command that brings it up."""
    lab = Lab(f"e2e-shares-{os.getpid()}", manifest(flood))
    try:
        subprocess.run(["prlimit", f"--nofile={LIMIT}:{LIMIT}", CULVERT, "lab", "up", "--name", lab.name, "-f",
                        lab.path(lab.yaml)], env=ENV, check=True, capture_output=True, timeout=180)
        yield lab
    finally:
        lab.__exit__(None, None, None)


def lines(lab, text):
    return [line for line in lab.logs("node/east", "ztunnel").splitlines() if text in line]


def test_a_pod_that_takes_all_it_can_leaves_room_for_others(narrow):
    ip = narrow.ips(SERVERS["west"])[0]
    hog = Keeper(narrow, "shop/alpha", ip, ATTEMPTS)
    other = None
    try:
        assert HOG_MOST * 3 / 4 < hog.result["kept"] <= HOG_MOST, hog.result
        assert set(hog.result["errors"]) <= {"ConnectionResetError", "OSError", "ConnectionRefusedError"}, hog.result
        other = Keeper(narrow, "shop/web-east", ip, 50)
        assert other.result == {"kept": 50, "errors": {}}
        assert (hog.alive(), other.alive()) == (hog.result["kept"], 50)
        said = lines(narrow, "share of descriptors")
        assert said and len(said) <= 4, said  # hundreds of refusals, few lines
        assert all("shop/alpha" in line for line in said)
    finally:
        hog.close()
        if other:
            other.close()
    wait_until(lambda: narrow.connect("shop/alpha", ip, PORT, "--send", "x")[0].get("received") == "x", "room again")


def cpu_seconds(pid):
    fields = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_without_descriptors_connections_are_refused_at_once_and_taken_again_later(narrow):
    ip = narrow.ips(SERVERS["west"])[0]
    assert narrow.connect("shop/alpha", ip, PORT, "--send", "x")[0]["received"] == "x"  # the tunnel stands
    pid = component(narrow, "node/east/ztunnel")["pid"]
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (fds(pid) + 8, LIMIT))
    few = None
    try:
        few = Keeper(narrow, "shop/alpha", ip, 40)
        assert 0 < few.result["kept"] < 12 and sum(few.result["errors"].values()) > 20, few.result
        assert "TimeoutError" not in few.result["errors"], few.result
        assert few.alive() == few.result["kept"]
        began, used = time.monotonic(), cpu_seconds(pid)
        time.sleep(1)
        assert cpu_seconds(pid) - used < (time.monotonic() - began) / 2, "ztunnel is busy with nothing"
        assert 1 <= len(lines(narrow, "no descriptor is left")) <= 3
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (LIMIT, LIMIT))
        if few:
            few.close()
    more = Keeper(narrow, "shop/alpha", ip, 40)
    more.close()
    assert more.result["kept"] >= 39, more.result  # the first may still take the place that was kept
