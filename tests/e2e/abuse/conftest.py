"""One lab for the folder: shop/web (east) is attacked by default/outside (west); shop/far (west) is honest."""
import json
import os

import pytest
from abused import Witness, memory_of
from flows import NODES, Mesh, client_pod, meshed
from lab import APPS, Lab
from mint import Mint

RUN = os.getpid()  # two runs on one machine do not share labs
FAR = "spiffe://cluster.local/ns/shop/sa/far"
WEB = f"""---
apiVersion: v1
kind: Pod
metadata: {{name: web, namespace: shop}}
spec:
  nodeName: east
  serviceAccountName: web
  containers:
  - name: lines
    command: [python3, {APPS}/many_ports.py, "8080"]
    ports: [{{containerPort: 8080}}]
  - name: bulk
    command: [python3, {APPS}/bulk.py, serve, "5001"]
    ports: [{{containerPort: 5001}}]
"""
PODS = NODES + meshed("shop") + WEB + client_pod("shop", "far", "west") + client_pod("default", "outside", "west")


class Attacked(Mesh):
    """The mesh, the certificate of the attacker, and what is read of shop/web's ztunnel."""

    def __init__(self, lab, mint):
        super().__init__(lab, clients=["shop/far"])
        self.mint, self.certificate = mint, mint.leaf(f"URI:{FAR}", end=24)
        components = {one["id"]: one["pid"] for one in lab.status()["components"]}
        self.ztunnel = components["node/east/ztunnel"]

    def heard(self, server):
        return {line["text"]: line for line in self.lab.log_lines(server, "lines") if "text" in line}

    def memory(self):
        """Bytes of shop/web's ztunnel."""
        return memory_of(self.ztunnel)

    def credentials(self):
        return ["--roots", self.mint.cert, "--cert", self.certificate[0], "--key", self.certificate[1]]

    def attack(self, name, *options, port=8080):
        """What hbone_attack.py saw."""
        ip = self.ip("shop/web")
        done = self.lab.exec("default/outside", "python3", APPS / "hbone_attack.py", name, ip, *self.credentials(),
                             "--authority", f"{ip}:{port}", *options, timeout=120)
        assert done.stdout, done.stderr
        return json.loads(done.stdout)


@pytest.fixture(scope="session")
def mesh(tmp_path_factory):
    with Lab(f"abuse-{RUN}", PODS) as lab:
        mesh = Attacked(lab, Mint.of_lab(tmp_path_factory.mktemp("mint") / "lab", lab.name))
        yield mesh
        mesh.close()


@pytest.fixture
def witness(mesh):
    return Witness(lambda: mesh.flow("shop/far", "shop/web", 8080), lambda one: one["outcome"] == "answered", mesh.memory)
