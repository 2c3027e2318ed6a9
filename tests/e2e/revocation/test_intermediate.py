"""An intermediate that its root takes back: every tunnel with a certificate below it ends."""
import os
import pathlib
import tempfile

from flows import NODES, Mesh, client_pod, meshed, server_pod
from lab import Lab, wait_until
from mint import Mint
from trust import put_in_place

PODS = (NODES + meshed("shop") + server_pod("shop", "web", "east") + client_pod("shop", "far", "west") +
        client_pod("shop", "near", "east"))
CLIENTS = ("shop/far", "shop/near")


def test_a_revoked_intermediate_ends_the_tunnels_of_all_below_it():
    with tempfile.TemporaryDirectory(prefix="culvert-e2e-") as name:
        folder = pathlib.Path(name)
        root = Mint(folder / "root")
        middle = root.authority("middle")
        flags = [f"--control-flag=--ca-cert={middle.cert}", f"--control-flag=--ca-key={middle.key}",
                 f"--control-flag=--root-cert={root.cert}", f"--ztunnel-flag=--crl-file={folder}/crl.pem"]
        with Lab(f"trust-middle-{os.getpid()}", PODS, flags=flags) as lab:
            mesh = Mesh(lab, CLIENTS)
            for client in CLIENTS:
                assert mesh.one(client, host=mesh.ip("shop/web"), port=8080, keep="old")["outcome"] == "answered"
            put_in_place(folder / "crl.pem", root.crl(middle.cert))
            for node in ("east", "west"):
                wait_until(lambda: "1 certificate(s) are revoked" in lab.logs(f"node/{node}", "ztunnel"), "the list is taken")
            wait_until(lambda: mesh.one("shop/far", on="old")["outcome"] == "reset", "the tunnel's end")
            assert mesh.flow("shop/far", "shop/web", 8080)["outcome"] == "reset"
            assert mesh.one("shop/near", on="old")["outcome"] == "answered"  # joined: no certificate in between

            def told():
                logs = "".join(lab.logs(f"node/{node}", "ztunnel") for node in ("east", "west"))
                return "cut because the peer's certificate was revoked" in logs and "EKEYREVOKED" in logs
            wait_until(told, "the lines of the logs")
            mesh.close()
