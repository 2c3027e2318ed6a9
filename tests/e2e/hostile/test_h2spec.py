"""h2spec at both faces of a waypoint: plain HTTP/2 at an edge, and the HBONE port with its mutual TLS."""
import subprocess

import h2spec
import pytest
from mint import Mint

TIMEOUT_S = 600
STRICT = pytest.mark.parametrize("strict", [False, True], ids=["must", "strict"])


def beside(lab, pod):
    return lambda argv: lab.exec(pod, *argv, timeout=TIMEOUT_S)


@STRICT
def test_the_edge_conforms_to_rfc_9113_and_rfc_7541(edge, tmp_path, strict):
    h2spec.conforms(beside(edge.lab, edge.client), edge.host, edge.port, tmp_path, strict, h2spec.CANNOT_AT_EDGE,
                    path="/bulk/100")  # some cases want a body
    assert edge.get() == (0, "200")


@pytest.fixture(scope="module")
def relay(lab, tmp_path_factory):
    mint = Mint.of_lab(tmp_path_factory.mktemp("mint") / "lab", lab.name)
    cert, key = mint.leaf("URI:spiffe://cluster.local/ns/shop/sa/client", end=24)
    process = lab.popen("default/outside", "python3", h2spec.RELAY, lab.ips("shop/waypoint-1")[0], 15008,
                        "--roots", mint.cert, "--cert", cert, "--key", key, stdin=subprocess.PIPE)
    yield int(process.stdout.readline())
    process.stdin.close()
    process.wait(timeout=60)


@STRICT
def test_the_hbone_port_conforms_to_rfc_9113_and_rfc_7541(lab, relay, tmp_path, strict):
    h2spec.conforms(beside(lab, "default/outside"), "127.0.0.1", relay, tmp_path, strict, h2spec.CANNOT_AT_HBONE)
