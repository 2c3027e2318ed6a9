"""A pod behind a waypoint: whom its ztunnel admits, whom it believes, and what happens to open connections.

The waypoint is played by hbone_client.py with a certificate of its identity, so that it can say anything.
"""
import json
import os
import subprocess

import pytest
from flows import NODES, Mesh, client_pod, endpoint, meshed, server_pod
from lab import APPS, Lab, wait_until
from mint import Mint
from objects import authorization, source

WAYPOINT, FAR = "spiffe://cluster.local/ns/shop/sa/wp", "spiffe://cluster.local/ns/shop/sa/far"
ORIGINAL = "spiffe://cluster.local/ns/bank/sa/teller"
CLIENTS = {"shop/near": "joined", "shop/far": "tunneled", "default/outside": "plaintext"}


def service(name="web", labels="", port=80, target=8080):
    return f"""---
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: shop, labels: {{{labels}}}}}
spec: {{selector: {{app: {name}}}, ports: [{{port: {port}, targetPort: {target}, name: tcp}}]}}
"""


BEHIND = "istio.io/use-waypoint: wp"
# Nothing listens at the waypoint's pod: what clients' ztunnels send there ends.
WAYPOINT_POD = client_pod("shop", "wp-0", "west", account="wp", labels="{app: wp, istio.io/dataplane-mode: none}")
PODS = (NODES + meshed("shop", "bank") + server_pod("shop", "web", "east", labels="{app: web}") +
        "".join(client_pod(*key.split("/"), "east" if way == "joined" else "west") for key, way in CLIENTS.items()) +
        client_pod("bank", "teller", "west") + client_pod("default", "bench", "west") +
        WAYPOINT_POD + service("wp", port=15008, target=15008))


@pytest.fixture(scope="module", params=["refuse", "allow"])
def bypass(request):
    return request.param


@pytest.fixture(scope="module")
def mesh(bypass):
    flags = [f"--ztunnel-flag=--waypoint-bypass={bypass}"]
    with Lab(f"admit-{bypass}-{os.getpid()}", PODS + service(labels=BEHIND), flags=flags) as lab:
        mesh = Mesh(lab, CLIENTS)
        yield mesh
        mesh.close()


@pytest.fixture(scope="module")
def mint(mesh, tmp_path_factory):
    return Mint.of_lab(tmp_path_factory.mktemp("mint") / "lab", mesh.lab.name)


@pytest.fixture(scope="module")
def leaves(mint):
    return {identity: mint.leaf(f"URI:{identity}") for identity in (WAYPOINT, FAR)}



def arguments(mesh, mint, leaf, family=4, port=8080, claim=None, text=None):
    ip = mesh.ip("shop/web", family)
    argv = ["python3", APPS / "hbone_client.py", ip, "--roots", mint.cert, "--say", text,
            "--authority", endpoint([ip, port]), "--cert", leaf[0], "--key", leaf[1]]
    return argv + (["--source", claim] if claim else [])


def dial(mesh, mint, leaf, **options):
    """What hbone_client.py saw of shop/web, from a pod outside the mesh."""
    text = mesh.text()
    done = mesh.lab.exec("default/bench", *arguments(mesh, mint, leaf, text=text, **options))
    assert done.stdout, done.stderr
    return {**json.loads(done.stdout), "text": text}


def claim_of(mesh, family=4, port=40_001):
    return f"{ORIGINAL};{endpoint([mesh.ip('bank/teller', family), port])}"


def line_from(mesh, address):
    """The inbound access-log line of a connection that came from `address`."""
    def find():
        return next((line for line in reversed(mesh.access("east")) if line["direction"] == "inbound" and
                     line["src.addr"] == address), None)
    return wait_until(find, f"an access log line from {address}")


@pytest.mark.parametrize("family", [4, 6])
def test_the_waypoint_is_admitted_and_the_application_sees_its_client(mesh, mint, leaves, family):
    port = 40_000 + family
    got = dial(mesh, mint, leaves[WAYPOINT], family=family, claim=claim_of(mesh, family, port))
    assert (got["status"], got["answer"]) == (200, got["text"]), got
    original = [mesh.ip("bank/teller", family), port]
    assert mesh.heard("shop/web")[got["text"]]["peer"] == original
    line = line_from(mesh, endpoint(original))
    assert line["src.identity"] == ORIGINAL and line["src.workload"] == "teller"
    assert line["via.identity"] == WAYPOINT and line["src.namespace"] == "bank"


def test_a_waypoint_that_tells_nobody_is_the_client_itself(mesh, mint, leaves):
    got = dial(mesh, mint, leaves[WAYPOINT])
    assert (got["status"], got["answer"]) == (200, got["text"]), got
    assert mesh.heard("shop/web")[got["text"]]["peer"][0] == mesh.ip("default/bench")
    line = line_from(mesh, endpoint(got["local"]))
    assert line["src.identity"] == WAYPOINT and "via.identity" not in line


@pytest.mark.parametrize("claim", ["nobody", f"{ORIGINAL};127.0.0.1:1", f"{ORIGINAL};10.0.0.5", "spiffe://x;10.0.0.5:1",
                                   f"{ORIGINAL};010.0.0.5:1"], ids=str)
def test_a_claim_that_makes_no_sense_is_a_bad_request(mesh, mint, leaves, claim):
    got = dial(mesh, mint, leaves[WAYPOINT], claim=claim)
    assert got["status"] == 400 and got["text"] not in mesh.heard("shop/web"), got


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("family", [4, 6])
def test_others_are_admitted_on_other_ports_and_on_the_services_where_bypass_is_allowed(mesh, bypass, client, family):
    mesh.answered(client, "shop/web", 9090, family)
    if bypass == "allow":
        mesh.answered(client, "shop/web", 8080, family)
        return
    line = mesh.refused(client, "shop/web", 8080, family)
    assert "only its waypoint is admitted: shop/wp.shop.svc.cluster.local" in line["error"], line


@pytest.mark.parametrize("port", [8080, 9090])
def test_whom_others_claim_to_speak_for_is_not_believed(mesh, mint, leaves, bypass, port):
    got = dial(mesh, mint, leaves[FAR], port=port, claim=claim_of(mesh))
    if port == 8080 and bypass == "refuse":
        assert got["status"] == 401 and got["text"] not in mesh.heard("shop/web"), got
        return
    assert (got["status"], got["answer"]) == (200, got["text"]), got
    assert mesh.heard("shop/web")[got["text"]]["peer"][0] == mesh.ip("default/bench")
    assert line_from(mesh, endpoint(got["local"]))["src.identity"] == FAR


def test_on_ports_that_it_does_not_serve_the_waypoint_is_believed_no_more_than_others(mesh, mint, leaves):
    got = dial(mesh, mint, leaves[WAYPOINT], port=9090, claim=claim_of(mesh))
    assert (got["status"], got["answer"]) == (200, got["text"]), got
    assert mesh.heard("shop/web")[got["text"]]["peer"][0] == mesh.ip("default/bench")


@pytest.mark.parametrize("action, field, admitted", [
    ("DENY", {"principals": ["cluster.local/ns/bank/sa/teller"]}, False),
    ("DENY", {"principals": ["cluster.local/ns/shop/sa/wp"]}, False),
    ("DENY", {"principals": ["cluster.local/ns/shop/sa/far"]}, True),
    # A not* field holds only where neither is listed.
    ("DENY", {"notNamespaces": ["bank"]}, True),
    ("DENY", {"notNamespaces": ["shop"]}, True),
    ("DENY", {"notNamespaces": ["other"]}, False),
    ("DENY", {"notPrincipals": ["cluster.local/ns/bank/sa/teller"]}, True),
    ("DENY", {"notPrincipals": ["cluster.local/ns/shop/sa/far"]}, False),
    ("ALLOW", {"principals": ["cluster.local/ns/bank/sa/teller"]}, True),
    ("ALLOW", {"principals": ["cluster.local/ns/shop/sa/wp"]}, True),
    ("ALLOW", {"principals": ["cluster.local/ns/shop/sa/far"]}, False),
    ("ALLOW", {"notNamespaces": ["bank"]}, False),
    ("ALLOW", {"notNamespaces": ["shop"]}, False),
    ("ALLOW", {"notNamespaces": ["other"]}, True),
], ids=str)
def test_policy_is_asked_about_client_and_waypoint(mesh, mint, leaves, action, field, admitted):
    with mesh.with_objects(authorization("shop", "door", action, source(**field), {"app": "web"})):
        got = dial(mesh, mint, leaves[WAYPOINT], claim=claim_of(mesh))
        assert got["status"] == (200 if admitted else 401), got


def test_through_the_vip_clients_come_to_the_waypoint_and_past_it_nobody_gets(mesh, bypass):
    vip = next(s for s in mesh.lab.status()["services"] if s["name"] == "web")["cluster_ips"][0]
    got = mesh.one("shop/far", host=vip, port=80)
    assert got["outcome"] == "reset", got
    assert got["text"] not in mesh.heard("shop/web")


class Held:
    """A stream of the waypoint's, open."""

    def __init__(self, mesh, mint, leaf):
        argv = arguments(mesh, mint, leaf, text=mesh.text(), claim=claim_of(mesh)) + ["--hold"]
        self.process = mesh.lab.popen("default/bench", *argv, stdin=subprocess.PIPE)

    def again(self):
        """What it has to show for one more exchange; the first call tells of the first."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=60)


def test_open_connections_are_decided_again_when_the_waypoint_comes_and_goes(mesh, mint, leaves, bypass):
    held = Held(mesh, mint, leaves[WAYPOINT])
    try:
        assert held.again()["status"] == 200 and held.again()["answer"]
        mesh.lab.apply(service())  # without a waypoint: all are admitted, this one as itself
        assert held.again()["answer"]
        open_ways = {(client, port): mesh.one(client, host=mesh.ip("shop/web"), port=port, keep=f"kept-{port}")
                     for client in CLIENTS for port in (8080, 9090)}
        assert {got["outcome"] for got in open_ways.values()} == {"answered"}, open_ways
        mesh.lab.apply(service(labels=BEHIND))
        for client, port in open_ways:
            cut = port == 8080 and bypass == "refuse"
            assert mesh.one(client, on=f"kept-{port}")["outcome"] == ("reset" if cut else "answered"), (client, port)
        assert held.again()["answer"]
    finally:
        mesh.lab.apply(service(labels=BEHIND))
        held.close()


def test_a_waypoint_that_is_gone_is_refused_and_not_bypassed(mesh, mint, leaves, bypass):
    mesh.lab.delete("Pod", "shop/wp-0")
    try:
        got = dial(mesh, mint, leaves[WAYPOINT], claim=claim_of(mesh))
        for client in CLIENTS:
            if bypass == "refuse":
                mesh.refused(client, "shop/web", 8080)
        assert got["status"] == (401 if bypass == "refuse" else 200), got
    finally:
        mesh.lab.apply(WAYPOINT_POD)
    assert dial(mesh, mint, leaves[WAYPOINT], claim=claim_of(mesh))["status"] == 200
