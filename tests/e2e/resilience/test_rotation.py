"""Roots follow one another and certificates renew, under requests that never stop and never fail."""
import os
import tempfile
import threading
import time

import pytest
import trust
from flows import NODES, Mesh, client_pod, meshed, server_pod
from lab import Lab
from trust import Authority

LIFETIME_S = 15
FAR = "spiffe://cluster.local/ns/shop/sa/far"
PODS = (NODES + meshed("shop") + server_pod("shop", "web", "east") + client_pod("shop", "far", "west") +
        client_pod("shop", "keeper", "west") + client_pod("default", "outside", "west"))


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


def dial(mesh, trusted, leaf):
    """What a client outside the mesh with this certificate sees of shop/web's tunnel port."""
    return trust.dial(mesh.lab, mesh.ip("shop/web"), trusted, leaf, "--authority", f"{mesh.ip('shop/web')}:8080",
                      "--say", mesh.text())


def test_three_roots_follow_one_another_under_traffic(mesh, authority):
    mesh.one("shop/keeper", host=mesh.ip("shop/web"), port=8080, keep="old")
    traffic = Traffic(mesh)
    traffic.start()
    try:
        for _ in range(3):
            old, new = authority.root, authority.new_root()
            for signer, roots in authority.steps_to(new):
                mesh.lab.restart("control")
                trust.renewed(mesh.lab, "node/east", "node/west", within=8 * LIFETIME_S)
                assert dial(mesh, signer, signer.leaf(f"URI:{FAR}"))["status"] == 200
                if old in roots:  # what was signed before the change is still good
                    assert dial(mesh, signer, old.leaf(f"URI:{FAR}"))["status"] == 200
            refused = dial(mesh, new, old.leaf(f"URI:{FAR}"))
            assert refused["status"] is None and refused["error"], refused
            assert "does not lead to a trusted root" in mesh.lab.logs("node/east", "ztunnel")
    finally:
        traffic.stop()
    assert traffic.count > 100 and traffic.failures == []
    assert mesh.one("shop/keeper", on="old")["outcome"] == "answered"
