"""A CRL ends the tunnels of whom it names and refuses their handshakes; a bad file changes nothing."""
import os
import re
import tempfile

import pytest
from flows import NODES, Mesh, client_pod, endpoint, meshed, server_pod
from lab import Lab, wait_until
from mint import Mint
from trust import leaf_of, put_in_place

PODS = (NODES + meshed("shop") + server_pod("shop", "web", "east") + client_pod("shop", "far", "west") +
        client_pod("shop", "other", "west") + client_pod("shop", "near", "east"))
CLIENTS = ("shop/far", "shop/other", "shop/near")


class Revoking(Mesh):
    """A mesh whose ztunnels read one file of CRLs."""

    def __init__(self, lab, folder):
        super().__init__(lab, CLIENTS)
        self.file = os.path.join(folder, "crl.pem")

    def write(self, text):
        put_in_place(self.file, text)

    def count(self, name, node="east"):
        text = self.lab.exec(f"node/{node}", "curl", "-sS", "http://127.0.0.1:15020/metrics", check=True).stdout
        return int(re.search(rf"^{name} (\d+)$", text, re.M).group(1))


@pytest.fixture(scope="module")
def mesh():
    with tempfile.TemporaryDirectory(prefix="culvert-e2e-") as folder:
        flag = f"--ztunnel-flag=--crl-file={folder}/crl.pem"
        with Lab(f"trust-revoke-{os.getpid()}", PODS, flags=[flag]) as lab:
            mesh = Revoking(lab, folder)
            yield mesh
            mesh.close()


@pytest.fixture(scope="module")
def mint(mesh, tmp_path_factory):
    return Mint.of_lab(tmp_path_factory.mktemp("mint") / "lab", mesh.lab.name)


def revoke(mesh, mint, tmp_path, account):
    file = tmp_path / f"{account}.pem"
    file.write_text(leaf_of(mesh.lab, "node/west", account))
    mesh.write(mint.crl(file))


def test_a_revoked_peers_tunnel_is_ended_and_others_go_on(mesh, mint, tmp_path):
    opened = {client: mesh.one(client, host=mesh.ip("shop/web"), port=8080, keep="old") for client in CLIENTS}
    assert {got["outcome"] for got in opened.values()} == {"answered"}
    revoke(mesh, mint, tmp_path, "far")
    wait_until(lambda: mesh.count("culvert_crl_tunnels_ended_total") == 1, "the tunnel's end")
    assert {client: mesh.one(client, on="old")["outcome"] for client in CLIENTS} == {
        "shop/far": "reset", "shop/other": "answered", "shop/near": "answered"}
    line = wait_until(lambda: next((line for line in mesh.access("east") if line["direction"] == "inbound"
                                    and line["src.addr"] == endpoint(opened["shop/far"]["local"])), None), "its log line")
    assert (line["event"], line["error"]) == ("connection complete", "cut because the peer's certificate was revoked")
    peer = mesh.heard("shop/web")[opened["shop/far"]["text"]]["peer"]
    wait_until(lambda: [one["how"] for one in mesh.lab.log_lines("shop/web")
                        if one["event"] == "end" and one["peer"] == peer] == ["reset"], "a reset at the server")


def test_handshakes_with_a_revoked_certificate_are_refused_and_counted(mesh):
    before = mesh.count("istio_crl_policy_rejections_total")
    for _ in range(3):
        assert mesh.flow("shop/far", "shop/web", 8080)["outcome"] == "reset"
    assert mesh.count("istio_crl_policy_rejections_total") == before + 3
    metrics = mesh.lab.exec("node/east", "curl", "-sS", "http://127.0.0.1:15020/metrics", check=True).stdout
    failed = [line for line in metrics.splitlines()
              if line.startswith("istio_tcp_connections_failed_total") and 'response_flags="CERT_REVOKED"' in line]
    assert failed and int(failed[0].rsplit(" ", 1)[1]) >= 3
    wait_until(lambda: "certificate revoked" in mesh.lab.logs("node/west", "ztunnel"), "the alert")
    for client in ("shop/other", "shop/near"):
        mesh.answered(client, "shop/web", 8080)


def test_a_bad_file_changes_nothing_and_is_told(mesh, tmp_path):
    stranger = Mint(tmp_path / "stranger")
    for text, told in (("-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n", "malformed"),
                       (stranger.crl(), "not signed by a trusted root"), ("", "no CRL in it")):
        mesh.write(text)
        wait_until(lambda: told in mesh.lab.logs("node/east", "ztunnel"), f"a log line: {told}")
        assert mesh.flow("shop/far", "shop/web", 8080)["outcome"] == "reset"
        mesh.answered("shop/other", "shop/web", 8080)
    os.unlink(mesh.file)
    wait_until(lambda: "look at the file" in mesh.lab.logs("node/east", "ztunnel"), "a log line of its absence")
    assert mesh.flow("shop/far", "shop/web", 8080)["outcome"] == "reset"


def test_a_new_certificate_is_not_the_revoked_one(mesh, mint):
    mesh.write(mint.crl())
    wait_until(lambda: mesh.lab.logs("node/east", "ztunnel").count("certificate(s) are revoked") >= 2, "the good file")
    assert mesh.flow("shop/far", "shop/web", 8080)["outcome"] == "reset"
    mesh.lab.restart("node/west", "ztunnel")
    wait_until(lambda: mesh.flow("shop/far", "shop/web", 8080)["outcome"] == "answered", "the new certificate")
