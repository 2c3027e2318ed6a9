"""Either side of a handover is killed at each of its steps: the node is served by the other.

The successor stops itself at a step that a file names (CULVERT_TEST_STOP_FILE, docs/operations.md).
"""
import contextlib
import os
import signal
import subprocess

import pytest
from flows import NODES, Mesh, client_pod, meshed, server_pod
from lab import CULVERT, ENV, Lab, wait_until
from lifecycle import admin, alive, component, draining, ended, kept, process_state

STEPS = ["prepared", "offered", "stopped", "listening"]
PODS = NODES + meshed("shop") + client_pod("shop", "alpha", "east") + server_pod("shop", "web", "west")


@pytest.fixture(scope="module")
def stop_file(tmp_path_factory):
    return tmp_path_factory.mktemp("stop") / "step"


@pytest.fixture(scope="module")
def lab(stop_file):
    ENV["CULVERT_TEST_STOP_FILE"] = str(stop_file)
    try:
        with Lab(f"life-broken-{os.getpid()}", PODS) as lab:
            yield lab
    finally:
        del ENV["CULVERT_TEST_STOP_FILE"]


@pytest.fixture(scope="module")
def mesh(lab):
    mesh = Mesh(lab, clients=["shop/alpha"])
    yield mesh
    mesh.close()


@contextlib.contextmanager
def stopped_at(lab, stop_file, step):
    """(old, new): a handover whose successor has stopped itself at the step."""
    old = component(lab, "node/west/ztunnel")["pid"]
    stop_file.write_text(step)
    restart = subprocess.Popen([CULVERT, "lab", "restart", "--name", lab.name, "node/west", "ztunnel"], env=ENV)
    try:
        new = wait_until(lambda: next((pid for pid in [component(lab, "node/west/ztunnel")["pid"]]
                                       if pid not in (0, old) and process_state(pid) == "T"), None),
                         f"a successor that stopped at {step}")
        stop_file.unlink()
        yield old, new
    finally:
        restart.wait(timeout=180)


def serves(mesh):
    return mesh.flow("shop/alpha", "shop/web", 8080)["outcome"] == "answered"


@pytest.mark.parametrize("step", STEPS)
def test_when_the_successor_dies_the_old_one_goes_on_and_the_next_takes_over(mesh, lab, stop_file, step):
    with kept(mesh, "shop/alpha", "shop/web") as line:
        with stopped_at(lab, stop_file, step) as (old, new):
            if step == "prepared":
                assert serves(mesh)  # nothing is taken yet
            lab.kill("node/west", "ztunnel", hold=True)
            wait_until(lambda: serves(mesh), "service by the old one")
            assert not alive(new) and alive(old) and line("still here") == "answered"
            # The ports too are its own again.
            wait_until(lambda: "ready" in admin(lab, "west", "GET", "/healthz/ready", port=15021), "readiness")
            lab.restart("node/west", "ztunnel")
            wait_until(lambda: os.path.exists(moved(lab, old)), "the next one's handover")
            assert line("still here too") == "answered" and alive(old)
            mesh.answered("shop/alpha", "shop/web", 8080)
    ended(old, within=60)


@pytest.mark.parametrize("step", STEPS)
def test_when_the_old_one_dies_the_successor_serves(mesh, lab, stop_file, step):
    with stopped_at(lab, stop_file, step) as (old, new):
        os.kill(old, signal.SIGKILL)
        wait_until(lambda: not draining(lab, "west"), "the supervisor's notice")
        os.kill(new, signal.SIGCONT)
        wait_until(lambda: serves(mesh), "service by the new one")
        assert component(lab, "node/west/ztunnel")["pid"] == new and component(lab, "node/west/ztunnel")["restarts"]
        wait_until(lambda: "ready" in admin(lab, "west", "GET", "/healthz/ready", port=15021), "readiness")
    # It can hand over itself.
    with kept(mesh, "shop/alpha", "shop/web") as line:
        lab.restart("node/west", "ztunnel")
        assert alive(new) and line("still here") == "answered"
    ended(new, within=15)


def moved(lab, pid):
    return f"/run/culvert/lab/{lab.name}/nodes/west/ztunnel/draining/{pid}.sock"


def test_without_control_a_successor_waits_and_the_old_one_serves_on(mesh, lab):
    lab.kill("control", hold=True)
    try:
        old = component(lab, "node/west/ztunnel")["pid"]
        restart = subprocess.Popen([CULVERT, "lab", "restart", "--name", lab.name, "node/west", "ztunnel"], env=ENV)
        wait_until(lambda: "another ztunnel serves this node" in lab.logs("node/west", "ztunnel").rsplit("running on", 1)[-1],
                   "a successor that gets ready")
        for _ in range(5):
            assert serves(mesh)
        assert not os.path.exists(moved(lab, old))
    finally:
        lab.restart("control")
    assert restart.wait(timeout=120) == 0
    mesh.answered("shop/alpha", "shop/web", 8080)
    ended(old, within=60)
