"""h2spec's conformance tests of HTTP/2 and HPACK against the HBONE server, through tls_relay.py.

The server knows CONNECT only and answers h2spec's GET with 400, which is an answer as good as any to most cases.
"""
import subprocess

import h2spec
import pytest


@pytest.fixture(scope="module")
def relay(mesh):
    process = mesh.lab.popen("default/outside", "python3", h2spec.RELAY, mesh.ip("shop/web"), 15008,
                             *mesh.credentials(), stdin=subprocess.PIPE)
    yield int(process.stdout.readline())
    process.stdin.close()
    process.wait(timeout=60)


@pytest.mark.parametrize("strict", [False, True], ids=["must", "strict"])
def test_the_server_conforms_to_rfc_9113_and_rfc_7541(mesh, relay, tmp_path, strict):
    h2spec.conforms(lambda argv: mesh.lab.exec("default/outside", *argv, timeout=600), "127.0.0.1", relay, tmp_path,
                    strict, h2spec.CANNOT_AT_HBONE)
    mesh.answered("shop/far", "shop/web", 8080)
