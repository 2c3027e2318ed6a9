"""After `down` the machine is as before, whatever was killed in between."""
import os
import random
import signal
import subprocess
import time

import machine
import pytest
from lab import CULVERT, ENV, Lab, culvert, wait_until

NAME = f"e2e-gone-{os.getpid()}"
PODS = """
kind: Node
apiVersion: v1
metadata: {name: one}
---
kind: Node
apiVersion: v1
metadata: {name: two}
""" + "".join(f"""---
kind: Pod
apiVersion: v1
metadata: {{name: p{i}, namespace: shop}}
spec: {{containers: [{{name: c, command: [sleep, "100000"]}}]}}
""" for i in range(4))


@pytest.fixture
def pods(tmp_path):
    path = tmp_path / "pods.yaml"
    path.write_text(PODS)
    return path


def supervisor_pid():
    for pid, words in machine.command_lines():
        if words[1:5] == ["lab", "supervise", "--name", NAME]:
            return pid
    return None


def interrupted_cycle(chance, path):
    """Kills `up`, or its supervisor, at some instant; then `down`."""
    up = subprocess.Popen([CULVERT, "lab", "up", "--name", NAME, "--mesh=none", "-f", str(path)],
                          env=ENV, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(chance.uniform(0, 0.25))  # the instant is the point of this test
    if chance.random() < 0.5 and (pid := supervisor_pid()):
        machine.kill(pid)
        up.wait(timeout=60)
    else:
        up.send_signal(signal.SIGKILL)
        up.wait()
    culvert("lab", "down", "--name", NAME, check=False)


def test_cycles_of_up_and_down_half_of_them_killed_leave_nothing(long_run, pods):
    chance = random.Random(3)
    before = machine.snapshot()
    for cycle in range(100 if long_run else 10):
        if cycle % 2:
            interrupted_cycle(chance, pods)
        else:
            with Lab(NAME, pods, mesh=False):
                pass
        assert machine.remains(NAME) == {}, f"cycle {cycle}"
    assert machine.snapshot() == before


def test_down_works_after_the_supervisor_died_and_status_says_so():
    with Lab(NAME, PODS, mesh=False):
        machine.kill(wait_until(supervisor_pid, "the supervisor"))
        said = culvert("status", "--name", NAME, check=False)
        assert said.returncode == 1
        assert "supervisor is gone" in said.stdout and "culvert lab down" in said.stdout
    assert machine.remains(NAME) == {}


def test_down_all_removes_every_lab(pods):
    for name in (NAME, NAME + "2"):
        culvert("lab", "up", "--name", name, "--mesh=none", "-f", pods)
    labs = culvert("lab", "list").stdout.split()
    assert {NAME, NAME + "2"} <= set(labs)
    if set(labs) == {NAME, NAME + "2"}:  # not beside somebody's own lab
        culvert("lab", "down", "--all")
    for name in set(culvert("lab", "list").stdout.split()) & {NAME, NAME + "2"}:
        culvert("lab", "down", "--name", name)
    assert machine.remains(NAME) == {}
