"""Certificates at a waypoint and an edge: they renew and roots follow one another under load, and a revoked client is cut off."""
import os
import pathlib
import re
import tempfile
import threading
import time

import pytest

import trust
from flows import Mesh, access_log, client_pod, meshed
from lab import Lab, wait_until
from mint import Mint
from test_own_pod import PODS, Kept
from test_replaced_under_load import RULE, WORLD, Load

LIFETIME_S = 15
RENEWED_S = 8 * LIFETIME_S  # on a busy machine
PROXIES = ["node/east", "node/west", "shop/waypoint-1", "shop/edge"]
CLIENT = "spiffe://cluster.local/ns/shop/sa/client"
LEAST = 50  # requests of each kind
EDGE_PORT = 8000
# Beside the world of the load: a waypoint for it, and an edge before it.
MORE = client_pod("default", "outside", "west") + f"""---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: waypoint, namespace: shop}}
spec: {{gatewayClassName: culvert-waypoint, listeners: [{{name: mesh, port: 15008, protocol: HBONE}}]}}
---
apiVersion: v1
kind: Namespace
metadata: {{name: shop, labels: {{istio.io/dataplane-mode: ambient, istio.io/use-waypoint: waypoint}}}}
---
apiVersion: v1
kind: Pod
metadata: {{name: edge, namespace: shop, labels: {{istio: ingress}}}}
spec: {{nodeName: west, serviceAccountName: edge, containers: [{{name: proxy, image: culvert-waypoint}}]}}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: front, namespace: shop}}
spec: {{selector: {{istio: ingress}}, servers: [{{port: {{number: {EDGE_PORT}, name: http, protocol: HTTP}}, hosts: ["*"]}}]}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: front, namespace: shop}}
spec: {{hosts: ["*"], gateways: [front], http: [{{route: [{{destination: {{host: web, port: {{number: 8080}}}}}}], retries: {{attempts: 0}}}}]}}
"""


class Anew(threading.Thread):
    """Requests of which each has a connection of its own: from outside to the edge, and inside the mesh."""

    def __init__(self, lab):
        super().__init__(daemon=True)
        self.lab, self.over, self.asked, self.failed = lab, threading.Event(), 0, []
        self.places = [("shop/client", f"-{family}", "http://web:8080/") for family in (4, 6)]
        for ip in lab.ips("shop/edge"):
            self.places.append(("default/outside", "-g", f"http://{f'[{ip}]' if ':' in ip else ip}:{EDGE_PORT}/"))

    def ask(self, client, flag, url):
        done = self.lab.exec(client, "curl", "-sS", flag, "--max-time", "60", "-o", "/dev/null", "-w", "%{http_code}", url)
        return done.stdout if done.returncode == 0 else done.stderr

    def run(self):
        while not self.over.is_set():
            for place in self.places:
                told = self.ask(*place)
                self.asked += 1
                if told != "200":
                    self.failed.append((*place, told))

    def __enter__(self):
        for place in self.places:
            wait_until(lambda place=place: self.ask(*place) == "200", f"an answer to {place}")
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join(120)


def address(lab, client, family, name):
    return lab.exec(client, "getent", f"ahostsv{family}", name, check=True).stdout.split()[0]


@pytest.fixture
def authority():
    with tempfile.TemporaryDirectory(prefix="culvert-e2e-") as folder:
        yield trust.Authority(folder)


def test_certificates_renew_and_a_root_follows_another_without_a_failed_request(authority):
    old, new = authority.root, authority.new_root()
    flags = [*authority.flags(), f"--control-flag=--certificate-lifetime={LIFETIME_S}"]
    with Lab(f"proof2-renew-{os.getpid()}", WORLD.replace(meshed("shop"), "") + RULE + MORE, flags=flags) as lab:
        waypoint, service = lab.ips("shop/waypoint-1")[0], address(lab, "shop/client", 4, "web")

        def dial(trusted, issuer):
            """As the client, to the service by the waypoint's tunnel port."""
            return trust.dial(lab, waypoint, trusted, issuer.leaf(f"URI:{CLIENT}"), "--authority", f"{service}:8080")
        with Anew(lab) as anew, Load(lab) as load:
            began = dial(old, old)["serial"]
            trust.renewed(lab, *PROXIES, within=RENEWED_S)
            assert dial(old, old)["serial"] != began
            for signer, roots in authority.steps_to(new):
                lab.restart("control")
                trust.renewed(lab, *PROXIES, within=RENEWED_S)
                for root in roots:  # whom the waypoint believes, and who signed what it shows
                    seen = dial(signer, root)
                    assert seen["server"].endswith("/sa/waypoint") and seen["status"] == 200, seen
            refused = dial(new, old)
            assert refused["status"] is None and refused["error"], refused
            time.sleep(1)  # with requests in it
        assert "does not lead to a trusted root" in lab.logs("shop/waypoint-1")
        print(load.told["answered"], load.told["opened"], anew.asked)
        assert not load.told["failed"] and not anew.failed, (load.told["failed"][:5], anew.failed[:5])
        assert min(*load.told["answered"].values(), anew.asked) > LEAST
        assert load.told["opened"] == {"ask": 8}, "connections that were there before have outlived all of it"


@pytest.fixture(scope="module")
def mesh():
    """Of test_own_pod.py; its waypoints alone read a file of CRLs."""
    with tempfile.TemporaryDirectory(prefix="culvert-e2e-") as folder:
        crl = pathlib.Path(folder) / "crl.pem"
        with Lab(f"proof2-crl-{os.getpid()}", PODS, flags=["--waypoint-flag", f"--crl-file={crl}"]) as lab:
            mesh = Mesh(lab, clients=["shop/far", "shop/near"])
            wait_until(lambda: lab.curl("shop/far", "http://site:8080/")[0] == 0, "the waypoint serves")
            mesh.crl = crl
            yield mesh
            mesh.close()


def test_a_revoked_clients_tunnel_ends_at_the_waypoint_and_others_go_on(mesh, tmp_path):
    lab = mesh.lab
    places = {family: address(lab, "shop/far", family, "web") for family in (4, 6)}
    clients = ("shop/far", "shop/near")

    def say_on(client):
        return [mesh.one(client, on=f"old-{family}")["outcome"] for family in places]
    for client in clients:
        for family, place in places.items():
            assert mesh.one(client, host=place, port=8080, keep=f"old-{family}")["outcome"] == "answered"
    web = {client: Kept(lab, client, "site", 8080) for client in clients}
    assert [one.ask() for one in web.values()] == ["200", "200"]

    mint = Mint.of_lab(tmp_path / "lab", lab.name)
    revoked = tmp_path / "far.pem"
    revoked.write_text(trust.leaf_of(lab, "node/west", "far"))
    trust.put_in_place(mesh.crl, mint.crl(revoked))
    told = "a tunnel is ended: the certificate of spiffe://cluster.local/ns/shop/sa/far was revoked"
    wait_until(lambda: told in lab.logs("shop/waypoint-1"), "the log's line")
    wait_until(lambda: say_on("shop/far") == ["reset", "reset"], "the end of far's connections")
    assert say_on("shop/near") == ["answered", "answered"]
    assert web["shop/near"].ask() == "200" and web["shop/far"].ask() != "200"

    def cut():
        return [line["src.identity"] for line in access_log(lab.logs("shop/waypoint-1"))
                if line.get("error") == "cut because the peer's certificate was revoked"]
    wait_until(lambda: len(cut()) >= 2, "lines of the connections")
    assert set(cut()) == {"spiffe://cluster.local/ns/shop/sa/far"}
    metrics = lab.exec("shop/waypoint-1", "curl", "-sS", "http://127.0.0.1:15020/metrics", check=True).stdout
    assert int(re.search(r"^culvert_crl_tunnels_ended_total (\d+)$", metrics, re.M).group(1)) >= 1
    # It comes no more, on either way, and the others as before.
    for family, place in places.items():
        assert mesh.one("shop/far", host=place, port=8080)["outcome"] == "reset"
        assert mesh.one("shop/near", host=place, port=8080)["outcome"] == "answered"
    assert lab.curl("shop/far", "http://site:8080/")[0] != 0 and lab.curl("shop/near", "http://site:8080/")[0] == 0
    for one in web.values():
        one.close()
