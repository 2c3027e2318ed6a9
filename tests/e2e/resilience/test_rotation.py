"""Roots follow one another and certificates renew, under requests that never stop and never fail."""
import json
import os
import pathlib
import tempfile
import threading
import time

import pytest
from flows import NODES, Mesh, client_pod, meshed, server_pod
from lab import APPS, Lab, wait_until
from mint import Mint

LIFETIME_S = 15
FAR = "spiffe://cluster.local/ns/shop/sa/far"
PODS = (NODES + meshed("shop") + server_pod("shop", "web", "east") + client_pod("shop", "far", "west") +
        client_pod("shop", "keeper", "west") + client_pod("default", "outside", "west"))


class Authority:
    """The files that control signs with, and what is in them now."""

    def __init__(self, folder):
        self.folder, self.made = pathlib.Path(folder), 0
        self.root = self.new_root()
        self.put(self.root, [self.root])

    def new_root(self):
        self.made += 1
        return Mint(self.folder / f"root-{self.made}")

    def put(self, signer, roots):
        for name, text in (("ca-cert.pem", signer.cert.read_text()), ("ca-key.pem", signer.key.read_text()),
                           ("root-cert.pem", "".join(root.cert.read_text() for root in roots))):
            (self.folder / f"{name}.new").write_text(text)
            os.rename(self.folder / f"{name}.new", self.folder / name)

    def flags(self):
        return [f"--control-flag=--{option}={self.folder}/{name}" for option, name in
                (("ca-cert", "ca-cert.pem"), ("ca-key", "ca-key.pem"), ("root-cert", "root-cert.pem"))]


class Traffic(threading.Thread):
    """New connections from shop/far and requests on an old one from shop/keeper, without a pause."""

    def __init__(self, mesh):
        super().__init__(daemon=True)
        self.mesh, self.ended, self.count, self.failures = mesh, False, 0, []

    def run(self):
        ip = self.mesh.ip("shop/web")
        while not self.ended:
            results = self.mesh.rounds({"shop/far": [{"host": ip, "port": 8080, "text": f"new-{self.count}-{i}"}
                                                     for i in range(4)],
                                        "shop/keeper": [{"on": "old", "text": f"old-{self.count}"}]})
            for got in results["shop/far"] + results["shop/keeper"]:
                self.count += 1
                if got["outcome"] != "answered":
                    self.failures.append(got)
            time.sleep(0.02)

    def stop(self):
        self.ended = True
        self.join(30)


@pytest.fixture(scope="module")
def authority():
    with tempfile.TemporaryDirectory(prefix="culvert-e2e-") as folder:
        yield Authority(folder)


@pytest.fixture(scope="module")
def mesh(authority):
    flags = authority.flags() + [f"--control-flag=--certificate-lifetime={LIFETIME_S}"]
    with Lab(f"trust-rotate-{os.getpid()}", PODS, flags=flags) as lab:
        mesh = Mesh(lab, ["shop/far", "shop/keeper"])
        yield mesh
        mesh.close()


def certificates(mesh):
    """{identity: certificate} of both nodes."""
    out = {}
    for node in ("east", "west"):
        done = mesh.lab.exec(f"node/{node}", "curl", "-sS", "http://127.0.0.1:15000/config_dump", check=True)
        for one in json.loads(done.stdout)["certificates"]:
            out[one["identity"]] = one["certChain"][0]["pem"] if "certChain" in one else None
    return out


def renewed_everywhere(mesh):
    before = certificates(mesh)
    wait_until(lambda: all(now and now != before.get(identity) for identity, now in certificates(mesh).items()),
               "every certificate is a new one", 8 * LIFETIME_S)


def dial(mesh, trusted, leaf):
    """What a client outside the mesh with this certificate sees of shop/web's tunnel port."""
    text = mesh.text()
    done = mesh.lab.exec("default/outside", "python3", APPS / "hbone_client.py", mesh.ip("shop/web"), "--roots",
                         trusted.cert, "--cert", leaf[0], "--key", leaf[1], "--authority", f"{mesh.ip('shop/web')}:8080",
                         "--say", text)
    return json.loads(done.stdout)


def test_three_roots_follow_one_another_under_traffic(mesh, authority):
    mesh.one("shop/keeper", host=mesh.ip("shop/web"), port=8080, keep="old")
    traffic = Traffic(mesh)
    traffic.start()
    try:
        for _ in range(3):
            old, new = authority.root, authority.new_root()
            for signer, roots in ((old, [old, new]), (new, [old, new]), (new, [new])):
                authority.put(signer, roots)
                mesh.lab.restart("control")
                renewed_everywhere(mesh)
                assert dial(mesh, signer, signer.leaf(f"URI:{FAR}"))["status"] == 200
                if old in roots:  # what was signed before the change is still good
                    assert dial(mesh, signer, old.leaf(f"URI:{FAR}"))["status"] == 200
            refused = dial(mesh, new, old.leaf(f"URI:{FAR}"))
            assert refused["status"] is None and refused["error"], refused
            assert "does not lead to a trusted root" in mesh.lab.logs("node/east", "ztunnel")
            authority.root = new
    finally:
        traffic.stop()
    assert traffic.count > 100 and traffic.failures == []
    assert mesh.one("shop/keeper", on="old")["outcome"] == "answered"
