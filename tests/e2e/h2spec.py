"""h2spec's conformance tests of HTTP/2 and HPACK: the program, its runs, and cases that cannot pass anywhere.

Lists of failing cases must be right both ways: a case that passes must not stand in one.
"""
import pathlib
import subprocess
import xml.etree.ElementTree

from lab import BUILD

MODULE = pathlib.Path(__file__).resolve().parent / "abuse" / "h2spec"  # go.mod pins it
RELAY = MODULE.parent / "tls_relay.py"
TIMEOUT_S = 5  # of one case, on a machine that does much else
CASES_AT_LEAST = 140

LARGE_FRAMES = "it sends 20 KB, and this server announces SETTINGS_MAX_FRAME_SIZE of 1 MiB (RFC 9113, sections 4.2 and 6.5.2)"
# (section, case) that cannot pass: why.
CANNOT = {("http2/4.2", "Sends a large size HEADERS frame that exceeds the SETTINGS_MAX_FRAME_SIZE"): LARGE_FRAMES}
# The same where HTTP/1.1 is served too: what does not begin as HTTP/2 is answered 400 by that, and closed.
CANNOT_AT_EDGE = CANNOT | {
    ("http2/3.5", "Sends invalid connection preface"):
        "GOAWAY may be left out, as the peer is not using HTTP/2 (RFC 9113 section 3.4); it is told in HTTP/1.1",
}

NO_BODY = ("it waits for DATA of an answer: GET is refused with 400, which needs no content (RFC 9113 section 8.1), "
           "and CONNECT has none of the server's own (section 8.5)")
# The same at a server that knows CONNECT only.
CANNOT_AT_HBONE = CANNOT | {
    ("generic/2", "Sends a WINDOW_UPDATE frame on half-closed (remote) stream"): NO_BODY,
    ("generic/2", "Sends a PRIORITY frame on half-closed (remote) stream"): NO_BODY,
    ("http2/6.5.3", "Sends multiple values of SETTINGS_INITIAL_WINDOW_SIZE"): NO_BODY,
    ("http2/6.9.1", "Sends SETTINGS frame to set the initial window size to 1 and sends HEADERS frame"): NO_BODY,
    ("http2/6.9.2", "Changes SETTINGS_INITIAL_WINDOW_SIZE after sending HEADERS frame"): NO_BODY,
    ("http2/6.9.2", "Sends a SETTINGS frame for window size to be negative"): NO_BODY,
}
# Answers race with what a case looks for: one that passes in one of so many runs conforms.
ATTEMPTS = 3
# Cases that go either way, by timing.
EITHER = {
    # The limit of streams is exceeded only while answers are slower than requests (RFC 9113 section 5.1.2).
    # test_floods.py has the limit.
    ("http2/5.1.2", "Sends HEADERS frames that causes their advertised concurrent stream limit to be exceeded"),
    # The connection ends on the frame's header (section 4.2), while h2spec still sends its payload of 1 MiB:
    # TCP answers that with a reset, which may overtake the GOAWAY (section 5.4.1).
    ("http2/4.2", "Sends a large size DATA frame that exceeds the SETTINGS_MAX_FRAME_SIZE"),
}


def program():
    """h2spec, built from the module."""
    path = BUILD / "tests/e2e/abuse/h2spec"
    path.parent.mkdir(parents=True, exist_ok=True)
    built = subprocess.run(["go", "build", "-o", path, "github.com/summerwind/h2spec/cmd/h2spec"], cwd=MODULE, text=True,
                           capture_output=True)
    assert built.returncode == 0, built.stderr
    return path


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


def conforms(run, host, port, folder, strict, cannot, path="/"):
    """`run` runs a command line beside the server, as subprocess.run; exactly the cases of `cannot` fail."""
    h2spec, failed = program(), None
    for attempt in range(ATTEMPTS):
        report = folder / f"report-{attempt}.xml"
        done = run([h2spec, "-h", host, "-p", str(port), "-P", path, "-o", str(TIMEOUT_S), "-j", report,
                    *(["-S"] if strict else [])])
        assert report.exists(), done.stdout + done.stderr
        now, count = failures(report)
        assert count >= CASES_AT_LEAST, done.stdout
        failed = now if failed is None else {case: text for case, text in failed.items() if case in now}
        if set(failed) - EITHER == set(cannot):
            return
    raise AssertionError("\n".join(f"{case}: {failed.get(case, 'passes, and stands on the list')}"
                                   for case in (set(failed) - EITHER) ^ set(cannot)))
