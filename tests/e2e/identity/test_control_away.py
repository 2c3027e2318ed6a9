"""Control is away, or slow with a certificate: what has one goes on, what has none waits, with a bound."""
import contextlib
import json
import os
import pathlib
import time

import pytest
from flows import NODES, Mesh, client_pod, endpoint, meshed, server_pod
from lab import Lab, wait_until
from objects import authorization, peer_authentication, source

PODS = (NODES + meshed("shop") + server_pod("shop", "web", "east") + server_pod("shop", "stock", "west") +
        client_pod("shop", "far", "west") + client_pod("shop", "near", "east") + client_pod("default", "outside", "west"))
WORKLOAD_WAIT_S, CERTIFICATE_WAIT_S = 5, 10  # ztunnel/settings.hpp
LATE_S = 30  # so much later the end of a wait may be noticed on a busy machine


@pytest.fixture(scope="module")
def mesh():
    with Lab(f"e2e-away-{os.getpid()}", PODS) as lab:
        mesh = Mesh(lab, clients=["shop/far", "shop/near", "default/outside"])
        yield mesh
        mesh.close()


@contextlib.contextmanager
def without_control(mesh):
    mesh.lab.kill("control", hold=True)
    try:
        yield
    finally:
        mesh.lab.restart("control")


@contextlib.contextmanager
def late_pod(mesh, name):
    """A client that came while control was away: enrolled, but unknown to its ztunnel."""
    mesh.lab.command("apply", "--no-wait", "-f", mesh.lab.path(client_pod("shop", name, "west")))
    key = f"shop/{name}"
    try:
        wait_until(lambda: mesh.lab.pod(key)["enrollment"] in ("enrolled", "pending"), "the agent knows the pod")
        mesh.pods[key] = mesh.lab.pod(key)
        mesh.start(key)
        mesh.rounds({key: []})  # the client runs: what it measures begins when it is asked
        yield key
    finally:
        process = mesh.clients.pop(key, None)
        if process:
            process.stdin.close()
            process.wait(timeout=60)
        mesh.lab.delete("--no-wait", "Pod", key, check=False)


def ask(mesh, client, server):
    """Sends, and does not wait for the outcome, which answer() then reads."""
    flow = {"host": mesh.ip(server), "port": 8080, "text": mesh.text(), "timeout": 60}
    mesh.clients[client].stdin.write(json.dumps([flow]) + "\n")
    mesh.clients[client].stdin.flush()
    return flow["text"]


def answer(mesh, client):
    return json.loads(mesh.clients[client].stdout.readline())[0]


def test_what_has_certificates_and_configuration_goes_on_without_control(mesh):
    mesh.one("shop/far", host=mesh.ip("shop/web"), port=8080, keep="old")
    with without_control(mesh):
        assert mesh.one("shop/far", on="old")["outcome"] == "answered"
        for client, server in (("shop/far", "shop/web"), ("shop/near", "shop/web"), ("shop/near", "shop/stock"),
                               ("default/outside", "shop/web")):
            for family in (4, 6):
                mesh.answered(client, server, 8080, family)
    assert mesh.one("shop/far", on="old")["outcome"] == "answered"
    mesh.answered("shop/far", "shop/web", 8080)


def test_policies_hold_without_control_and_changes_made_meanwhile_come_when_it_is_back(mesh):
    with mesh.with_objects(peer_authentication("shop", "STRICT")):
        with without_control(mesh):
            mesh.refused("default/outside", "shop/web", 8080)
            path = mesh.lab.path(authorization("shop", "no-far", "DENY", source(principals=["*/sa/far"])))
            mesh.lab.command("apply", "--no-wait", "-f", path)
            mesh.answered("shop/far", "shop/web", 8080)
        wait_until(lambda: mesh.flow("shop/far", "shop/web", 8080)["outcome"] == "reset", "the new policy")
        mesh.refused("shop/far", "shop/web", 8080, policy="shop/no-far")
        mesh.refused("default/outside", "shop/web", 8080)
        mesh.lab.delete("-f", path)


def test_a_pods_first_connection_is_held_until_control_is_back(mesh):
    with contextlib.ExitStack() as away:
        away.enter_context(without_control(mesh))
        with late_pod(mesh, "patient") as client:
            text = ask(mesh, client, "shop/web")
            time.sleep(0.5)  # control has what is left of WORKLOAD_WAIT_S to come back
            assert text not in mesh.heard("shop/web")
            away.close()
            got = answer(mesh, client)
            assert got["outcome"] == "answered" and got["seconds"] > 0.4, got
            assert mesh.heard("shop/web")[text]["peer"][0] == mesh.ip(client)


def test_a_pod_that_control_does_not_know_is_held_only_so_long_and_then_refused(mesh):
    with without_control(mesh), late_pod(mesh, "early") as client:
        text = ask(mesh, client, "shop/web")
        got = answer(mesh, client)
        assert got["outcome"] == "reset" and -0.5 < got["seconds"] - WORKLOAD_WAIT_S < LATE_S, got
        assert text not in mesh.heard("shop/web")


@contextlib.contextmanager
def no_certificate(mesh, name):
    """A pod that all know of but that gets no certificate: in the configuration it is on another node."""
    with contextlib.ExitStack() as stack:
        away = stack.enter_context(contextlib.ExitStack())
        away.enter_context(without_control(mesh))
        client = stack.enter_context(late_pod(mesh, name))
        file = pathlib.Path("/run/culvert/lab", mesh.lab.name, "config/lab.objects.yaml")
        right = file.read_text()
        objects = [json.loads(part) for part in right.split("---\n")[1:]]
        next(o for o in objects if o["metadata"]["name"] == name)["spec"]["nodeName"] = "east"
        file.write_text("---\n".join(json.dumps(o) + "\n" for o in objects))
        away.close()
        yield client, lambda: file.write_text(right)


def test_a_first_connection_waits_for_a_certificate_on_its_way(mesh):
    with no_certificate(mesh, "slow") as (client, correct):
        text = ask(mesh, client, "shop/web")
        time.sleep(1)
        assert text not in mesh.heard("shop/web")
        correct()
        got = answer(mesh, client)
        assert got["outcome"] == "answered" and 0.5 < got["seconds"] < CERTIFICATE_WAIT_S, got
        assert mesh.heard("shop/web")[text]["peer"][0] == mesh.ip(client)


def test_the_wait_for_a_certificate_has_a_bound_and_says_so(mesh):
    with no_certificate(mesh, "never") as (client, correct):
        text = ask(mesh, client, "shop/web")
        got = answer(mesh, client)
        assert got["outcome"] == "reset" and -0.5 < got["seconds"] - CERTIFICATE_WAIT_S < LATE_S, got
        assert text not in mesh.heard("shop/web")
        line = wait_until(lambda: next((line for line in mesh.access("west") if line["src.addr"] == endpoint(got["local"])), None),
                          "the access log's line")
        assert "certificate" in line["error"]
        correct()
