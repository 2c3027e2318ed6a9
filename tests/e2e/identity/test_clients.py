"""A pod's tunnel port against clients of all kinds: from a pod outside the mesh, with openssl's certificates."""
import json
import os

import pytest
from flows import NODES, Mesh, client_pod, meshed, server_pod
from lab import APPS, Lab
from mint import Mint
from objects import authorization, source

pytestmark = pytest.mark.sanitized

FAR, WEB = "spiffe://cluster.local/ns/shop/sa/far", "spiffe://cluster.local/ns/shop/sa/web"
PODS = (NODES + meshed("shop") + server_pod("shop", "web", "east", labels="{app: web}") +
        server_pod("shop", "stock", "east") + client_pod("shop", "far", "west") + client_pod("shop", "near", "east") +
        client_pod("default", "outside", "west") + client_pod("default", "beside", "east"))


@pytest.fixture(scope="module")
def mesh():
    with Lab(f"e2e-clients-{os.getpid()}", PODS) as lab:
        yield Mesh(lab, clients=["shop/far"])


@pytest.fixture(scope="module")
def mint(mesh, tmp_path_factory):
    return Mint.of_lab(tmp_path_factory.mktemp("mint") / "lab", mesh.lab.name)


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    return Mint(tmp_path_factory.mktemp("mint") / "other")


def dial(mesh, mint, certificate, client="default/outside", family=4, **options):
    """What hbone_client.py saw of shop/web; `certificate` is (file, key) or None."""
    ip = mesh.ip("shop/web", family)
    options.setdefault("authority", f"[{ip}]:8080" if family == 6 else f"{ip}:8080")
    text = mesh.text()
    argv = ["python3", APPS / "hbone_client.py", ip, "--roots", mint.cert, "--say", text]
    if certificate:
        argv += ["--cert", certificate[0], "--key", certificate[1]]
    for name, value in options.items():
        argv += [f"--{name}"] if value is True else [f"--{name}", value]
    done = mesh.lab.exec(client, *argv)
    assert done.stdout, done.stderr
    return {**json.loads(done.stdout), "text": text}


def expect_refusal(mesh, got, *words):
    """No CONNECT was answered, the application heard nothing, and the access log says why."""
    assert got["status"] is None and got["answer"] is None and got["error"], got
    assert got["text"] not in mesh.heard("shop/web")
    line = mesh.inbound_line("east", got["local"])
    assert line["dst.workload"] == "web" and any(word in line["error"] for word in words), line


@pytest.mark.parametrize("client", ["default/outside", "default/beside"])
@pytest.mark.parametrize("family", [4, 6])
def test_a_right_certificate_gets_through_and_the_application_sees_its_holder(mesh, mint, client, family):
    got = dial(mesh, mint, mint.leaf(f"URI:{FAR}"), client, family)
    assert (got["status"], got["answer"], got["error"]) == (200, got["text"], None)
    assert got["server"] == WEB
    assert mesh.heard("shop/web")[got["text"]]["peer"][0] == mesh.ip(client, family)
    assert mesh.inbound_line("east", got["local"])["src.identity"] == FAR


def test_without_a_certificate_the_handshake_fails(mesh, mint):
    expect_refusal(mesh, dial(mesh, mint, None), "certificate")


@pytest.mark.parametrize("san, validity, words", [
    (f"URI:{FAR}", (-48, -1), ["expired"]),
    (f"URI:{FAR}", (1, 48), ["not yet valid"]),
    ("URI:spiffe://other.domain/ns/shop/sa/far", (-1, 1), ["trust domain"]),
    ("DNS:far.shop.svc.cluster.local", (-1, 1), ["SPIFFE", "SAN"]),
    (None, (-1, 1), ["SPIFFE", "SAN"]),
    (f"URI:{FAR},URI:spiffe://cluster.local/ns/shop/sa/web", (-1, 1), ["SPIFFE", "SAN"]),
    ("URI:spiffe://cluster.local/ns/shop", (-1, 1), ["SPIFFE"]),
    ("URI:https://cluster.local/ns/shop/sa/far", (-1, 1), ["SPIFFE"]),
], ids=str)
def test_a_certificate_of_the_right_authority_that_is_wrong_is_refused(mesh, mint, san, validity, words):
    expect_refusal(mesh, dial(mesh, mint, mint.leaf(san, *validity)), *words)


def test_a_certificate_that_is_only_for_servers_is_refused(mesh, mint):
    expect_refusal(mesh, dial(mesh, mint, mint.leaf(f"URI:{FAR}", usage="serverAuth")), "certificate")


def test_a_self_signed_certificate_is_refused(mesh, mint):
    expect_refusal(mesh, dial(mesh, mint, mint.self_signed(f"URI:{FAR}")), "certificate")


def test_a_certificate_of_an_unknown_authority_is_refused(mesh, mint, stranger):
    expect_refusal(mesh, dial(mesh, mint, stranger.leaf(f"URI:{FAR}")), "certificate")


def test_a_certificate_signed_by_a_workloads_own_key_is_refused(mesh, mint, tmp_path):
    cert, key = mint.leaf(f"URI:{FAR}")
    forger = Mint(tmp_path / "forger", cert, key)
    leaf, leaf_key = forger.leaf(f"URI:{WEB}")
    chain = tmp_path / "chain.pem"
    chain.write_text(leaf.read_text() + cert.read_text())
    expect_refusal(mesh, dial(mesh, mint, (chain, leaf_key)), "certificate")


def test_tls_before_1_3_is_refused(mesh, mint):
    expect_refusal(mesh, dial(mesh, mint, mint.leaf(f"URI:{FAR}"), tls12=True), "handshake", "TLS")


def test_another_protocol_than_h2_is_refused(mesh, mint):
    expect_refusal(mesh, dial(mesh, mint, mint.leaf(f"URI:{FAR}"), alpn="http/1.1"), "handshake", "ALPN", "TLS")


def test_plaintext_on_the_tunnel_port_is_refused(mesh):
    lab, ip, text = mesh.lab, mesh.ip("shop/web"), mesh.text()
    got = lab.connect("default/outside", ip, 15008, "--send", f"GET /{text} HTTP/1.0\r\n\r\n")[0]
    assert "HTTP" not in got.get("received", "") and text not in lab.logs("shop/web")
    assert mesh.inbound_line("east", got["getsockname"])["error"]


def test_openssls_own_client_sees_tls_1_3_and_the_pods_identity(mesh, mint):
    cert, key = mint.leaf(f"URI:{FAR}")
    done = mesh.lab.exec("default/outside", "openssl", "s_client", "-connect", f"{mesh.ip('shop/web')}:15008",
                         "-alpn", "h2", "-CAfile", mint.cert, "-cert", cert, "-key", key, input="", errors="replace")
    for words in ("TLSv1.3", "ALPN protocol: h2", "Verification: OK"):
        assert words in done.stdout, done.stdout


@pytest.mark.parametrize("options, status", [
    ({"authority": "OTHER:8080"}, 400), ({"authority": "192.0.2.1:80"}, 400), ({"authority": "127.0.0.1:8080"}, 400),
    ({"authority": "OWN:15008"}, 400), ({"authority": "OWN"}, 400), ({"authority": "OWN:0"}, 400),
    ({"authority": "OWN:70000"}, 400), ({"authority": "no-words-for-it"}, 400), ({"authority": "far.shop:8080"}, 400),
    ({"method": "GET"}, 400), ({"method": "POST"}, 400), ({"authority": "OWN:8081"}, 503),
], ids=str)
def test_what_is_asked_must_be_connect_to_the_pods_own_address(mesh, mint, options, status):
    texts = {name: value.replace("OWN", mesh.ip("shop/web")).replace("OTHER", mesh.ip("shop/stock"))
             for name, value in options.items()}
    got = dial(mesh, mint, mint.leaf(f"URI:{FAR}"), **texts)
    assert got["status"] == status, got
    assert mesh.inbound_line("east", got["local"])["error"]
    assert got["text"] not in mesh.heard("shop/web") and got["text"] not in mesh.heard("shop/stock")


@pytest.mark.parametrize("client", ["shop/far", "shop/near"])
def test_a_pod_of_the_mesh_does_not_reach_the_tunnel_port_itself(mesh, mint, client):
    """Its connection is captured, and CONNECT to 15008 through another tunnel is refused."""
    got = dial(mesh, mint, mint.leaf(f"URI:{WEB}"), client)
    assert got["status"] is None and got["server"] is None and got["error"], got
    assert got["text"] not in mesh.heard("shop/web")


def test_policy_answers_401_and_is_named(mesh, mint):
    with mesh.with_objects(authorization("shop", "no-far", "DENY", source(principals=["*/sa/far"]))):
        got = dial(mesh, mint, mint.leaf(f"URI:{FAR}"))
        assert got["status"] == 401 and got["text"] not in mesh.heard("shop/web")
        assert mesh.inbound_line("east", got["local"])["policy"] == "shop/no-far"
        assert dial(mesh, mint, mint.leaf(f"URI:{WEB}"))["status"] == 200


def test_the_address_in_a_forwarded_header_counts_for_nothing(mesh, mint):
    certificate, claimed = mint.leaf(f"URI:{FAR}"), f'for="{mesh.ip("shop/far")}:1234"'
    block = source(ipBlocks=[mesh.ip("default/outside")])
    with mesh.with_objects(authorization("shop", "no-outside", "DENY", block)):
        assert dial(mesh, mint, certificate, forwarded=claimed)["status"] == 401
    got = dial(mesh, mint, certificate, forwarded=claimed)
    assert mesh.heard("shop/web")[got["text"]]["peer"][0] == mesh.ip("default/outside")


def test_after_all_this_the_pod_still_serves(mesh):
    mesh.answered("shop/far", "shop/web", 8080)
