"""ztunnel and control are restarted: what was known holds, and only what differs is sent."""
import os
import pathlib
import time

import pytest
from flows import NODES, Mesh, client_pod, meshed, server_pod
from lab import Lab, wait_until
from objects import authorization, peer_authentication, source

PODS = (NODES + meshed("shop") + server_pod("shop", "web", "east") + client_pod("shop", "near", "east") +
        client_pod("shop", "evil", "east") + client_pod("shop", "far", "west") + client_pod("default", "outside", "west"))
CLIENTS = ("shop/near", "shop/evil", "shop/far", "default/outside")


@pytest.fixture(scope="module")
def mesh():
    with Lab(f"trust-restart-{os.getpid()}", PODS) as lab:
        mesh = Mesh(lab, CLIENTS)
        with mesh.with_objects(peer_authentication("shop", "STRICT"),
                               authorization("shop", "no-evil", "DENY", source(principals=["*/sa/evil"]))):
            yield mesh
        mesh.close()


def saved(mesh, node="east"):
    return pathlib.Path("/run/culvert/lab", mesh.lab.name, "nodes", node, "ztunnel/config.bin")


def sent(mesh):
    """How many resources control has sent to each node since it runs."""
    return {node["name"]: node["resources_sent"] for node in mesh.control_status()["nodes"]}


def settled(mesh):
    """Once both nodes have told control that they have what it has."""
    def look():
        status = mesh.control_status()
        return all(n["connected"] and n["acked_generation"] == status["generation"] for n in status["nodes"])
    wait_until(look, "both nodes are up to date")


def in_force(mesh, client, outcome):
    wait_until(lambda: mesh.flow(client, "shop/web", 8080)["outcome"] == outcome, f"{client} is {outcome}")


def everything_in_force(mesh):
    for client in ("shop/near", "shop/far"):
        in_force(mesh, client, "answered")
    for client in ("shop/evil", "default/outside"):
        mesh.refused(client, "shop/web", 8080)


def test_a_ztunnel_restarted_without_control_serves_by_what_it_knew(mesh):
    everything_in_force(mesh)
    wait_until(lambda: b"no-evil" in saved(mesh).read_bytes(), "the policy is in the file")
    mesh.lab.kill("control", hold=True)
    try:
        mesh.lab.kill("node/east", "ztunnel")
        in_force(mesh, "shop/near", "answered")  # both pods are here: no certificate is needed
        mesh.refused("shop/evil", "shop/web", 8080, policy="shop/no-evil")
        mesh.refused("default/outside", "shop/web", 8080)
        assert "serving by the configuration of an earlier run" in mesh.lab.logs("node/east", "ztunnel")
        # A tunnel needs a certificate, which only control can give: it is waited for, and then refused.
        assert mesh.flow("shop/far", "shop/web", 8080, timeout=30)["outcome"] == "reset"
    finally:
        mesh.lab.restart("control")
    everything_in_force(mesh)


def test_keys_are_not_in_the_file_and_only_root_reads_it(mesh):
    file = saved(mesh)
    content = file.read_bytes()
    assert b"PRIVATE KEY" not in content and b"web" in content
    assert file.stat().st_mode & 0o777 == 0o600 and file.parent.stat().st_mode & 0o777 == 0o700
    assert [f.name for f in file.parent.iterdir() if f.suffix == ".bin"] == ["config.bin"]


@pytest.mark.parametrize("damage", [lambda b: b[:-1], lambda b: b + b"x", lambda b: b.replace(b"web", b"wex", 1),
                                    lambda b: b"", lambda b: os.urandom(4096)],
                         ids=["cut", "longer", "changed", "empty", "noise"])
def test_a_damaged_file_is_ignored_and_told(mesh, damage):
    mesh.lab.kill("node/east", "ztunnel", hold=True)
    saved(mesh).write_bytes(damage(saved(mesh).read_bytes()))
    before = sent(mesh)
    mesh.lab.restart("node/east", "ztunnel")
    everything_in_force(mesh)
    assert "config.bin" in (log := mesh.lab.logs("node/east", "ztunnel")) and "it is ignored" in log
    assert sent(mesh)["east"] > before["east"]  # all of it, as to a new ztunnel
    wait_until(lambda: b"shop" in saved(mesh).read_bytes(), "the file is written anew")
    time.sleep(1.5)  # the last change of this run is written too


@pytest.mark.parametrize("how", ["restart", "kill"])
def test_a_restarted_ztunnel_is_sent_only_what_differs(mesh, how):
    everything_in_force(mesh)
    settled(mesh)
    if how == "kill":
        time.sleep(4)  # longer than between two writes of the file; who is asked to end writes at once
    before = sent(mesh)
    getattr(mesh.lab, how)("node/east", "ztunnel")
    everything_in_force(mesh)
    # A restart is a handover: the former one is told of changes too, until it has ended.
    wait_until(lambda: not [c for c in mesh.lab.status()["components"] if c["id"].startswith("node/east/ztunnel/")],
               "the former one's end")
    settled(mesh)
    assert sent(mesh) == before
    mesh.lab.kill("node/east", "ztunnel", hold=True)
    with mesh.with_objects(authorization("shop", "later", "DENY", source(principals=["*/sa/far"]))):
        mesh.lab.restart("node/east", "ztunnel")
        in_force(mesh, "shop/far", "reset")
        settled(mesh)
        assert sent(mesh) == {node: count + 1 for node, count in before.items()}  # the policy, once each


def test_a_restarted_control_sends_only_what_changed_meanwhile(mesh):
    settled(mesh)
    for round_ in range(3):
        mesh.lab.kill("control", hold=True)
        path = mesh.lab.path(authorization("shop", f"churn-{round_}", "DENY", source(principals=["*/sa/nobody"])))
        mesh.lab.command("apply", "--no-wait", "-f", path)
        mesh.answered("shop/far", "shop/web", 8080)
        mesh.lab.restart("control")
        settled(mesh)
        wait_until(lambda: set(sent(mesh).values()) == {1}, "the one policy")
        everything_in_force(mesh)
        assert sent(mesh) == {"east": 1, "west": 1}
