"""One lab for the folder: shop/web (east) is attacked by default/outside (west); shop/far (west) is honest."""
import json
import os
import threading

import pytest
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

    def memory(self, line="VmRSS"):
        """Bytes of shop/web's ztunnel, by its line in /proc/PID/status."""
        with open(f"/proc/{self.ztunnel}/status") as status:
            return next(int(text.split()[1]) * 1024 for text in status if text.startswith(line + ":"))

    def credentials(self):
        return ["--roots", self.mint.cert, "--cert", self.certificate[0], "--key", self.certificate[1]]

    def attack(self, name, *options, port=8080):
        """What hbone_attack.py saw."""
        ip = self.ip("shop/web")
        done = self.lab.exec("default/outside", "python3", APPS / "hbone_attack.py", name, ip, *self.credentials(),
                             "--authority", f"{ip}:{port}", *options, timeout=120)
        assert done.stdout, done.stderr
        return json.loads(done.stdout)


class Witness(threading.Thread):
    """An honest client that connects again and again while inside `with`, and the memory meanwhile."""

    def __init__(self, mesh):
        super().__init__(daemon=True)
        self.mesh, self.done, self.answers, self.peak = mesh, threading.Event(), [], 0

    def run(self):
        while True:
            self.answers.append(self.mesh.flow("shop/far", "shop/web", 8080))
            self.peak = max(self.peak, self.mesh.memory())
            if self.done.wait(0.02):
                return

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.join()


@pytest.fixture(scope="session")
def mesh(tmp_path_factory):
    with Lab(f"abuse-{RUN}", PODS) as lab:
        mesh = Attacked(lab, Mint.of_lab(tmp_path_factory.mktemp("mint") / "lab", lab.name))
        yield mesh
        mesh.close()


@pytest.fixture
def witness(mesh):
    return Witness(mesh)
