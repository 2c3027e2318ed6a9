"""PeerAuthentication: which level counts, and what each mode lets through."""
import os

import pytest
from flows import NODES, Mesh, client_pod, meshed, server_pod
from lab import Lab
from objects import peer_authentication as peer

ROOT, SHOP, WEB = "istio-system", "shop", {"app": "web"}
STRICT_POLICY = "istio-system/istio_converted_static_strict"
PODS = (NODES + meshed("shop", "bank") +
        server_pod("shop", "web", "east", labels="{app: web}") +
        server_pod("shop", "stock", "east", labels="{app: stock}") +
        server_pod("bank", "vault", "west", labels="{app: vault}") +
        client_pod("shop", "near", "east") + client_pod("shop", "far", "west") +
        client_pod("default", "beside", "east") + client_pod("default", "outside", "west"))
MESHED, UNMESHED = ("shop/near", "shop/far"), ("default/beside", "default/outside")


@pytest.fixture(scope="module")
def mesh():
    with Lab(f"e2e-peer-{os.getpid()}", PODS) as lab:
        mesh = Mesh(lab, MESHED + UNMESHED)
        yield mesh
        mesh.close()


def test_without_any_object_plaintext_and_tunnels_are_taken(mesh):
    for client in MESHED + UNMESHED:
        for family in (4, 6):
            mesh.answered(client, "shop/web", 8080, family)


# The levels of the objects, and what then counts for shop/web's ports 8080 and 9090.
@pytest.mark.parametrize("levels, modes", [
    ({"mesh": "STRICT"}, "STRICT STRICT"),
    ({"namespace": "STRICT"}, "STRICT STRICT"),
    ({"workload": "STRICT"}, "STRICT STRICT"),
    ({"mesh": "STRICT", "namespace": "PERMISSIVE"}, "PERMISSIVE PERMISSIVE"),
    ({"mesh": "STRICT", "namespace": "UNSET"}, "STRICT STRICT"),
    ({"mesh": "STRICT", "namespace": None}, "STRICT STRICT"),
    ({"mesh": "UNSET"}, "PERMISSIVE PERMISSIVE"),
    ({"mesh": "PERMISSIVE", "namespace": "STRICT", "workload": "PERMISSIVE"}, "PERMISSIVE PERMISSIVE"),
    ({"namespace": "STRICT", "workload": "UNSET"}, "STRICT STRICT"),
    ({"workload": "STRICT", "ports": {8080: "PERMISSIVE"}}, "PERMISSIVE STRICT"),
    ({"workload": "PERMISSIVE", "ports": {8080: "STRICT"}}, "STRICT PERMISSIVE"),
    ({"workload": None, "ports": {8080: "STRICT"}}, "STRICT PERMISSIVE"),
    ({"mesh": "STRICT", "workload": None, "ports": {8080: "PERMISSIVE"}}, "PERMISSIVE STRICT"),
    ({"mesh": "STRICT", "workload": "UNSET", "ports": {8080: "UNSET", 9090: "DISABLE"}}, "STRICT DISABLE"),
    ({"mesh": "STRICT", "workload": "DISABLE"}, "DISABLE DISABLE"),
    ({"workload": "DISABLE", "ports": {9090: "STRICT"}}, "DISABLE STRICT"),
], ids=str)
def test_the_closest_level_that_is_set_counts(mesh, levels, modes):
    objects = []
    if "mesh" in levels:
        objects.append(peer(ROOT, levels["mesh"]))
    if "namespace" in levels:
        objects.append(peer(SHOP, levels["namespace"]))
    if "workload" in levels:
        objects.append(peer(SHOP, levels["workload"], "web", WEB, levels.get("ports")))
    with mesh.with_objects(*objects):
        for port, mode in zip((8080, 9090), modes.split()):
            for client in MESHED:
                mesh.answered(client, "shop/web", port)
            for client in UNMESHED:
                if mode == "STRICT":
                    mesh.refused(client, "shop/web", port)
                else:
                    mesh.answered(client, "shop/web", port)
    mesh.answered("default/outside", "shop/web", 8080)


@pytest.mark.parametrize("family", [4, 6])
def test_a_refusal_names_the_policy_that_strict_becomes(mesh, family):
    with mesh.with_objects(peer(SHOP, "STRICT")):
        for client in UNMESHED:
            mesh.refused(client, "shop/web", 8080, family, policy=STRICT_POLICY)
    with mesh.with_objects(peer(SHOP, "STRICT", "only-9090", WEB, {8080: "PERMISSIVE"})):
        mesh.refused("default/outside", "shop/web", 9090, family,
                     policy="shop/converted_peer_authentication_only-9090")


def test_an_object_reaches_only_its_namespace_and_its_pods(mesh):
    with mesh.with_objects(peer(SHOP, "STRICT")):
        mesh.refused("default/outside", "shop/stock", 8080)
        mesh.answered("default/outside", "bank/vault", 8080)
    with mesh.with_objects(peer(SHOP, "STRICT", "web", WEB)):
        mesh.refused("default/outside", "shop/web", 8080)
        mesh.answered("default/outside", "shop/stock", 8080)
    with mesh.with_objects(peer(ROOT, "STRICT")):
        mesh.refused("default/outside", "bank/vault", 8080)


def test_of_two_objects_for_one_pod_one_counts_and_the_other_is_told_so(mesh):
    with mesh.with_objects(peer(SHOP, "STRICT", "a"), peer(SHOP, "PERMISSIVE", "b")):
        mesh.refused("default/outside", "shop/web", 8080)
        conditions = {c["name"]: c for c in mesh.control_status()["conditions"]}
        assert conditions["a"]["status"] is True
        assert conditions["b"]["status"] is False and conditions["b"]["reason"] == "Conflicted"


def test_disabled_is_plaintext_on_the_wire_and_all_else_is_not(mesh):
    tunneled, plain, port = mesh.text(), mesh.text(), mesh.text()
    with mesh.lab.capture("node/east", "tcp", interface="eth0") as capture:
        assert mesh.flow("shop/far", "shop/web", 8080, text=tunneled)["outcome"] == "answered"
        with mesh.with_objects(peer(SHOP, "DISABLE", "web", WEB)):
            assert mesh.flow("shop/far", "shop/web", 8080, text=plain)["outcome"] == "answered"
        with mesh.with_objects(peer(SHOP, None, "web", WEB, {9090: "DISABLE"})):
            assert mesh.flow("shop/far", "shop/web", 9090, text=port)["outcome"] == "answered"
            assert mesh.flow("shop/far", "shop/web", 8080, text=tunneled)["outcome"] == "answered"
    assert plain.encode() in capture.bytes and port.encode() in capture.bytes
    assert tunneled.encode() not in capture.bytes


def test_a_client_of_a_disabled_workload_has_no_identity_there(mesh):
    with mesh.with_objects(peer(SHOP, "DISABLE", "web", WEB)):
        for client in MESHED:
            got = mesh.answered(client, "shop/web", 8080)
            assert "src.identity" not in mesh.inbound_line("east", got["seen"])
