"""A ztunnel as client: it speaks only to who proves to be the workload that control named.

shop/fake is opted out of capture but annotated as if it were captured, so that control tells everybody
to tunnel to it. On its port 15008 runs openssl's server with a certificate of the test's choice.
"""
import contextlib
import json
import os
import selectors
import subprocess

import pytest
from flows import NODES, Mesh, client_pod, meshed
from lab import Lab, wait_until
from mint import Mint

FAKE = "spiffe://cluster.local/ns/shop/sa/fake"
PODS = (NODES + meshed("shop") + client_pod("shop", "far", "west") + client_pod("shop", "near", "east") +
        client_pod("shop", "fake", "east", labels="{istio.io/dataplane-mode: none}").replace(
            "namespace: shop,", "namespace: shop, annotations: {ambient.istio.io/redirection: enabled},"))


@pytest.fixture(scope="module")
def mesh():
    with Lab(f"e2e-servers-{os.getpid()}", PODS) as lab:
        mesh = Mesh(lab, clients=["shop/far", "shop/near"])
        yield mesh
        mesh.close()


@pytest.fixture(scope="module")
def mint(mesh, tmp_path_factory):
    return Mint.of_lab(tmp_path_factory.mktemp("mint") / "lab", mesh.lab.name)


class Server:
    """openssl s_server in shop/fake: "said" is all that its clients sent once a handshake was done."""

    def __init__(self, process):
        self.process, self.said = process, b""
        self.selector = selectors.DefaultSelector()
        self.selector.register(process.stdout, selectors.EVENT_READ)

    def read(self):
        while self.selector.select(timeout=0.05):
            part = os.read(self.process.stdout.fileno(), 65536)
            if not part:
                break
            self.said += part
        return self.said


@contextlib.contextmanager
def serving(mesh, mint, certificate, *flags):
    argv = ["openssl", "s_server", "-accept", "15008", "-cert", certificate[0], "-key", certificate[1],
            "-alpn", "h2", "-CAfile", mint.cert, "-Verify", "2", *flags]
    process = mesh.lab.popen("shop/fake", *argv, text=False, stdin=subprocess.PIPE, stderr=subprocess.STDOUT)
    server = Server(process)
    try:
        wait_until(lambda: b"ACCEPT" in server.read(), "openssl s_server listens")
        yield server
    finally:
        process.terminate()
        process.wait(timeout=60)


def outbound_line(mesh, client, local):
    node = mesh.pods[client]["node"]
    where = f"{local[0]}:{local[1]}"
    return wait_until(lambda: next((line for line in mesh.access(node) if line["src.addr"] == where), None),
                      f"an access log line about {where}")


@pytest.mark.parametrize("client", ["shop/far", "shop/near"])
def test_the_named_workloads_certificate_is_taken(mesh, mint, client):
    flow = {"host": mesh.ip("shop/fake"), "port": 8080, "text": mesh.text(), "timeout": 120}
    with serving(mesh, mint, mint.leaf(f"URI:{FAKE}")) as server:
        mesh.clients[client].stdin.write(json.dumps([flow]) + "\n")
        mesh.clients[client].stdin.flush()
        wait_until(lambda: b"PRI * HTTP/2.0" in server.read(), "HTTP/2 arrives")
    got, = json.loads(mesh.clients[client].stdout.readline())
    assert got["outcome"] == "reset", got  # nobody answered HTTP/2 there


@pytest.mark.parametrize("client", ["shop/far", "shop/near"])
@pytest.mark.parametrize("case", ["another workload", "another trust domain", "no SPIFFE id", "expired", "not yet valid",
                                  "self-signed", "another authority", "only for clients"])
def test_any_other_certificate_is_refused_before_a_word_is_said(mesh, mint, tmp_path, client, case):
    certificate = {
        "another workload": lambda: mint.leaf("URI:spiffe://cluster.local/ns/shop/sa/near"),
        "another trust domain": lambda: mint.leaf("URI:spiffe://other.domain/ns/shop/sa/fake"),
        "no SPIFFE id": lambda: mint.leaf("DNS:fake.shop.svc.cluster.local"),
        "expired": lambda: mint.leaf(f"URI:{FAKE}", -48, -1),
        "not yet valid": lambda: mint.leaf(f"URI:{FAKE}", 1, 48),
        "self-signed": lambda: mint.self_signed(f"URI:{FAKE}"),
        "another authority": lambda: Mint(tmp_path / "other").leaf(f"URI:{FAKE}"),
        "only for clients": lambda: mint.leaf(f"URI:{FAKE}", usage="clientAuth"),
    }[case]()
    with serving(mesh, mint, certificate) as server:
        got = mesh.flow(client, "shop/fake", 8080)
        assert got["outcome"] == "reset", got
        line = outbound_line(mesh, client, got["local"])
        assert line["direction"] == "outbound" and line["error"], line
        said = server.read()
        assert b"PRI" not in said and got["text"].encode() not in said


def test_a_server_of_tls_1_2_is_refused(mesh, mint):
    with serving(mesh, mint, mint.leaf(f"URI:{FAKE}"), "-tls1_2") as server:
        assert mesh.flow("shop/far", "shop/fake", 8080)["outcome"] == "reset"
        assert b"PRI" not in server.read()


def test_where_nobody_serves_the_tunnel_port_nothing_goes_out_in_plaintext(mesh):
    words = mesh.text()
    with mesh.lab.capture("shop/fake", "tcp") as capture:
        assert mesh.flow("shop/far", "shop/fake", 8080, text=words)["outcome"] == "reset"
    assert words.encode() not in capture.bytes and ".8080:" not in capture.text and "15008" in capture.text
