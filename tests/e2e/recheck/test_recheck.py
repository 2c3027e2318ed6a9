"""Connections that are open when a policy changes: refused ones are reset, others are left alone."""
import os
import re

import pytest
from flows import NODES, Mesh, client_pod, endpoint, meshed, server_pod
from lab import Lab, wait_until
from objects import authorization, source

# How a client of WAYS reaches shop/web on east.
WAYS = {"shop/near": "joined", "shop/far": "tunneled", "default/outside": "plaintext"}
SERVERS = ("shop/web", "shop/stock")
PODS = (NODES + meshed("shop", "bank") + server_pod("shop", "web", "east", labels="{app: web}") +
        server_pod("shop", "stock", "east", labels="{app: stock}") + server_pod("bank", "vault", "east") +
        client_pod("shop", "near", "east") + client_pod("shop", "far", "west") + client_pod("default", "outside", "west"))
WEB = {"app": "web"}


@pytest.fixture(scope="module")
def mesh():
    with Lab(f"trust-recheck-{os.getpid()}", PODS) as lab:
        mesh = Mesh(lab, WAYS)
        yield mesh
        mesh.close()


def count(mesh, name, node="east"):
    text = mesh.lab.exec(f"node/{node}", "curl", "-sS", "http://127.0.0.1:15020/metrics", check=True).stdout
    return int(re.search(rf"^{name} (\d+)$", text, re.M).group(1))


def rechecks(mesh):
    return [count(mesh, "culvert_policy_rechecks_total", node) for node in ("east", "west")]


@pytest.fixture
def opened(mesh):
    """{(client, server): what its first exchange gave}; each stays open under the server's name."""
    return {(client, server): mesh.one(client, host=mesh.ip(server), port=8080, keep=server)
            for client in WAYS for server in SERVERS}


def again(mesh, opened):
    """{(client, server): outcome} of one more exchange on each."""
    return {key: mesh.one(key[0], on=key[1])["outcome"] for key in opened}


def ending(mesh, server, first):
    """How the server's own socket ended, by its client's address as the server saw it."""
    peer = mesh.heard(server)[first["text"]]["peer"]
    return wait_until(lambda: next((line["how"] for line in mesh.lab.log_lines(server)
                                    if line["event"] == "end" and line["peer"] == peer), None),
                      f"{server} sees the end of {peer}")


def expect_cut(mesh, server, first, policy, reason):
    """Reset at the server too, and the access log says that a policy change did it, and which."""
    assert ending(mesh, server, first) == "reset"
    line = wait_until(lambda: next((line for line in mesh.access("east") if line["direction"] == "inbound"
                                    and line["src.addr"] == endpoint(first["local"]) and line.get("error")), None),
                      "the access log's line")
    assert line["event"] == "connection complete"
    assert (line["error"], line["policy"]) == (f"cut after a policy change: {reason}", policy)


def test_a_policy_that_refuses_a_workloads_clients_resets_them_and_asks_about_no_others(mesh, opened):
    before, cuts = rechecks(mesh), count(mesh, "culvert_policy_cuts_total")
    with mesh.with_objects(authorization("shop", "shut", "DENY", [{}], WEB)):
        wait_until(lambda: count(mesh, "culvert_policy_cuts_total") == cuts + len(WAYS), "all cuts")
        # Joined, inbound tunnel and inbound plaintext on the server's node, again if the policy came after the
        # workload that names it; nobody asks at the client's.
        server, client = rechecks(mesh)
        assert server - before[0] in (len(WAYS), 2 * len(WAYS)) and client == before[1]
        outcomes = again(mesh, opened)
        assert outcomes == {(c, s): "reset" if s == "shop/web" else "answered" for c, s in opened}
        for client in WAYS:
            expect_cut(mesh, "shop/web", opened[client, "shop/web"], "shop/shut", "denied by policy")


@pytest.mark.parametrize("refused", WAYS)
def test_whom_a_changed_policy_still_allows_stays(mesh, opened, refused):
    field = ({"notPrincipals": ["*"]} if refused == "default/outside"
             else {"principals": [f"*/sa/{refused.split('/')[1]}"]})
    cuts = count(mesh, "culvert_policy_cuts_total")
    with mesh.with_objects(authorization("shop", "one", "DENY", source(**field))):
        wait_until(lambda: count(mesh, "culvert_policy_cuts_total") == cuts + len(SERVERS), "both cuts")
        assert again(mesh, opened) == {(c, s): "reset" if c == refused else "answered" for c, s in opened}
        for server in SERVERS:
            expect_cut(mesh, server, opened[refused, server], "shop/one", "denied by policy")


def test_an_allow_policy_cuts_whom_it_does_not_name(mesh, opened):
    cuts = count(mesh, "culvert_policy_cuts_total")
    with mesh.with_objects(authorization("shop", "only", "ALLOW", source(namespaces=["shop"]), WEB)):
        wait_until(lambda: count(mesh, "culvert_policy_cuts_total") == cuts + 1, "the cut")
        assert again(mesh, opened) == {key: "reset" if key == ("default/outside", "shop/web") else "answered"
                                       for key in opened}
        expect_cut(mesh, "shop/web", opened["default/outside", "shop/web"], "shop/only", "no allow policy matched")


def test_changes_that_concern_others_ask_nothing(mesh, opened):
    before = rechecks(mesh)
    for _ in range(3):
        with mesh.with_objects(authorization("bank", "shut", "DENY", [{}]),
                               authorization("shop", "nobody", "DENY", [{}], {"app": "none"}),
                               server_pod("shop", "fresh", "east", labels="{app: fresh}")):
            pass
    assert rechecks(mesh) == before
    assert set(again(mesh, opened).values()) == {"answered"}


def test_a_policy_that_is_lifted_lets_in_again_and_cuts_nobody(mesh):
    with mesh.with_objects(authorization("shop", "shut", "DENY", [{}], WEB)):
        for client in WAYS:
            assert mesh.flow(client, "shop/web", 8080)["outcome"] == "reset"
    cuts = count(mesh, "culvert_policy_cuts_total")
    for client in WAYS:
        mesh.answered(client, "shop/web", 8080)
    assert count(mesh, "culvert_policy_cuts_total") == cuts
