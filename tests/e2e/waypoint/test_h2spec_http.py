"""h2spec's conformance tests of HTTP/2 and HPACK against the connections that serve requests. The server has
bench_http_edge's own answers: no mesh, no TLS."""
import subprocess

import h2spec
import pytest
from edge_process import edge


def run(argv):
    return subprocess.run(argv, text=True, capture_output=True, timeout=600)


@pytest.mark.parametrize("strict", [False, True], ids=["must", "strict"])
def test_the_http_face_conforms_to_rfc_9113_and_rfc_7541(tmp_path, strict):
    with edge("--http2") as (port, _):
        h2spec.conforms(run, "127.0.0.1", port, tmp_path, strict, h2spec.CANNOT)
