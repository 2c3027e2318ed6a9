"""Certificates of ten seconds: renewed at half of that, under connections that do not notice."""
import json
import os
import time

import pytest
from flows import NODES, Mesh, client_pod, meshed, server_pod
from lab import APPS, Lab, wait_until
from mint import Mint

LIFETIME_S = 10
PODS = (NODES + meshed("shop") + server_pod("shop", "web", "east") + client_pod("shop", "far", "west") +
        client_pod("default", "outside", "west"))


@pytest.fixture(scope="module")
def mesh():
    with Lab(f"e2e-renew-{os.getpid()}", PODS, flags=[f"--control-flag=--certificate-lifetime={LIFETIME_S}"]) as lab:
        mesh = Mesh(lab, clients=["shop/far"])
        mesh.born = time.monotonic()
        yield mesh
        mesh.close()


def certificate(mesh, node, account):
    """(PEM, expiry) of a workload of the node, as its ztunnel's /config_dump has it."""
    done = mesh.lab.exec(f"node/{node}", "curl", "-sS", "http://127.0.0.1:15000/config_dump", check=True)
    for one in json.loads(done.stdout)["certificates"]:
        if one["identity"].endswith(f"/sa/{account}") and one["certChain"]:
            return one["certChain"][0]["pem"], one["certChain"][0]["expirationTime"]
    return None


def served_serial(mesh, mint):
    """The serial number of what shop/web shows to a client from outside."""
    done = mesh.lab.exec("default/outside", "python3", APPS / "hbone_client.py", mesh.ip("shop/web"),
                         "--roots", mint.cert, check=True)
    return json.loads(done.stdout)["serial"]


def test_a_renewal_is_not_noticed_and_new_tunnels_use_it(mesh, tmp_path):
    mint = Mint.of_lab(tmp_path / "lab", mesh.lab.name)
    mesh.one("shop/far", host=mesh.ip("shop/web"), port=8080, keep="old")
    before, serial = certificate(mesh, "east", "web"), served_serial(mesh, mint)
    begin, renewed = time.monotonic(), False
    while time.monotonic() - begin < LIFETIME_S + 2:  # the first certificate is over by then
        assert mesh.one("shop/far", on="old")["outcome"] == "answered"
        mesh.answered("shop/far", "shop/web", 8080)
        renewed = renewed or (certificate(mesh, "east", "web") != before and time.monotonic() - begin)
        time.sleep(0.25)
    assert renewed and renewed < LIFETIME_S, renewed
    assert served_serial(mesh, mint) != serial
    assert certificate(mesh, "west", "far")[1] > before[1]
    assert mesh.one("shop/far", on="old")["outcome"] == "answered"


def test_control_is_asked_at_half_of_each_life_and_no_more_often(mesh):
    asked = [line for line in mesh.lab.logs("control").splitlines() if "certificate for" in line and "/sa/web" in line]
    age = time.monotonic() - mesh.born
    assert 2 <= len(asked) <= 2 + age / (LIFETIME_S * 0.45), asked


def test_an_expired_certificate_is_used_no_more(mesh, tmp_path):
    """Control is away for longer than a life: who comes then is refused, and answered when it is back."""
    mesh.lab.kill("control", hold=True)
    try:
        mesh.one("shop/far", host=mesh.ip("shop/web"), port=8080, keep="long")
        time.sleep(LIFETIME_S + 1)
        mint = Mint.of_lab(tmp_path / "lab", mesh.lab.name)
        done = mesh.lab.exec("default/outside", "timeout", "2", "openssl", "s_client", "-connect",
                             f"{mesh.ip('shop/web')}:15008", "-alpn", "h2", "-CAfile", mint.cert, input="", errors="replace")
        assert "BEGIN CERTIFICATE" not in done.stdout, done.stdout
    finally:
        mesh.lab.restart("control")
    wait_until(lambda: served_serial(mesh, mint), "a new certificate")
    mesh.answered("shop/far", "shop/web", 8080)
