"""h2spec's conformance tests of HTTP/2 and HPACK against the connections that serve requests. The server has
bench_http_edge's own answers: no mesh, no TLS."""
import pathlib
import subprocess
import xml.etree.ElementTree

import pytest
from edge_process import edge
from lab import BUILD

MODULE = pathlib.Path(__file__).resolve().parent.parent / "abuse" / "h2spec"
TIMEOUT_S = 5  # of one case, on a machine that does much else
CASES_AT_LEAST = 140
# (section, case) that cannot pass: why, by RFC 9113.
CANNOT = {
    ("http2/4.2", "Sends a large size HEADERS frame that exceeds the SETTINGS_MAX_FRAME_SIZE"):
        "it sends 20 KB, and this server announces SETTINGS_MAX_FRAME_SIZE of 1 MiB (sections 4.2 and 6.5.2)",
}
ATTEMPTS = 3
# Cases that go either way, by timing.
EITHER = {
    # The limit of streams is exceeded only while answers are slower than requests.
    ("http2/5.1.2", "Sends HEADERS frames that causes their advertised concurrent stream limit to be exceeded"),
    # TCP answers the payload behind the refused frame's header with a reset, which may overtake the GOAWAY.
    ("http2/4.2", "Sends a large size DATA frame that exceeds the SETTINGS_MAX_FRAME_SIZE"),
}


@pytest.fixture(scope="module")
def h2spec():
    """The program, built from the module that h2spec/go.mod pins."""
    program = BUILD / "tests/e2e/abuse/h2spec"
    program.parent.mkdir(parents=True, exist_ok=True)
    built = subprocess.run(["go", "build", "-o", program, "github.com/summerwind/h2spec/cmd/h2spec"],
                           cwd=MODULE, text=True, capture_output=True)
    assert built.returncode == 0, built.stderr
    return program


def failures(report):
    """{(section, case): what went wrong}, and how many cases there were."""
    out, count = {}, 0
    for case in xml.etree.ElementTree.parse(report).iter("testcase"):
        count += 1
        wrong = case.find("failure") if case.find("failure") is not None else case.find("error")
        if wrong is not None or case.find("skipped") is not None:
            text = "skipped" if wrong is None else (wrong.text or "failed").strip()
            out[case.get("package"), case.get("classname")] = text
    return out, count


@pytest.mark.parametrize("strict", [False, True], ids=["must", "strict"])
def test_the_http_face_conforms_to_rfc_9113_and_rfc_7541(h2spec, tmp_path, strict):
    failed = None
    with edge("--http2") as (port, _):
        for attempt in range(ATTEMPTS):
            report = tmp_path / f"report-{attempt}.xml"
            done = subprocess.run([h2spec, "-h", "127.0.0.1", "-p", str(port), "-o", str(TIMEOUT_S), "-j", report,
                                   *(["-S"] if strict else [])], text=True, capture_output=True, timeout=600)
            assert report.exists(), done.stdout + done.stderr
            now, count = failures(report)
            assert count >= CASES_AT_LEAST, done.stdout
            failed = now if failed is None else {case: text for case, text in failed.items() if case in now}
            if set(failed) - EITHER == set(CANNOT):
                break
    assert set(failed) - EITHER == set(CANNOT), "\n".join(f"{case}: {text}" for case, text in failed.items())
