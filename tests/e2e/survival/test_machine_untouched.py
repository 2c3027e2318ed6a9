"""A lab with the mesh leaves the machine's rules alone, the pods' too, and after its end nothing at all."""
import os
import pathlib
import random
import re
import signal
import subprocess
import time

import machine
from lab import CULVERT, ENV, Lab, culvert, wait_until
from survival_mesh import manifest

NAME = f"e2e-survived-{os.getpid()}"


def rules(lab):
    """The packet rules and routes of each pod, without the links' own addresses, which are random."""
    out = {}
    for pod in lab.status()["pods"]:
        found = machine.rules(pathlib.Path(pod["netns"]).name)
        for kind in ("route", "route6"):
            found[kind] = re.sub(r"^local fe80::\S+", "local fe80::", found[kind], flags=re.M)
        out[f"{pod['namespace']}/{pod['name']}"] = found
    return out


def test_the_rules_of_the_machine_and_of_the_pods_are_those_of_a_lab_without_the_mesh(flood):
    before = machine.snapshot()
    with Lab(NAME, manifest(flood), mesh=False) as lab:
        plain = rules(lab)
    with Lab(NAME, manifest(flood)) as lab:
        lab.exec("shop/alpha", flood, "run", "9000", "100", "0.5", *lab.ips("shop/web-west"), check=True)
        assert machine.snapshot() == before
        assert rules(lab) == plain
        assert len(plain) == 6 and all(p["iptables"] == [] and p["nft"] == "" for p in plain.values())
    assert machine.snapshot() == before


def processes():
    """Command lines of a lab's parts and its supervisor, by pid."""
    return {pid: words for pid, words in machine.command_lines() if any(NAME in word for word in words)}


def kill_supervisor():
    for pid, words in processes().items():
        if words[1:3] == ["lab", "supervise"]:
            machine.kill(pid)
            return True
    return False


def interrupted_cycle(chance, path):
    """Kills `up`, or its supervisor, at some instant; then `down`."""
    up = subprocess.Popen([CULVERT, "lab", "up", "--name", NAME, "-f", str(path)], env=ENV,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(chance.uniform(0, 1.5))  # the instant is the point of this test
    if chance.random() < 0.5 and kill_supervisor():
        up.wait(timeout=90)
    else:
        up.send_signal(signal.SIGKILL)
        up.wait()
    culvert("lab", "down", "--name", NAME, check=False)


def test_cycles_of_up_and_down_half_of_them_killed_leave_nothing_of_the_mesh(flood, long_run, tmp_path):
    path = tmp_path / "pods.yaml"
    path.write_text(manifest(flood))
    chance = random.Random(7)
    before = machine.snapshot()
    for cycle in range(100 if long_run else 10):
        if cycle % 2:
            interrupted_cycle(chance, path)
        else:
            with Lab(NAME, path):
                pass
        assert machine.remains(NAME) == {}, f"cycle {cycle}"
    assert machine.snapshot() == before


def test_down_removes_a_lab_under_load_whose_supervisor_was_killed(flood):
    with Lab(NAME, manifest(flood)) as lab:
        load = lab.popen("shop/alpha", flood, "run", "9000", "200", "600", *lab.ips("shop/web-west"))
        wait_until(lambda: re.search(r'"ok":[1-9]', load.stdout.readline()), "traffic")
        assert kill_supervisor()
    load.stdout.close()
    load.wait(timeout=60)
    assert machine.remains(NAME) == {}
