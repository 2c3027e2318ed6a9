"""The messages of ../smuggling.py at real waypoints: through an edge, and over HBONE from a meshed client."""
import json
import re

import pytest
import smuggling
from flows import endpoint
from hbone_client import status_of
from lab import APPS, REPO, wait_until
from say_bytes import HEADERS, RST_STREAM, frames

PROTOCOL_ERROR = 1
LINE = re.compile(r'^\[[^]]*\] "(?P<request>.*?)" (?P<status>\d+) (?P<flags>\S+) (?P<details>\S+) .* (?P<client>\S+:\d+) - \S+ \d+$')


def reasons():
    """{(status, reason)} of docs/http.md."""
    rows = re.findall(r"^\| (\d{3}) \| (.*) \|$", (REPO / "docs/http.md").read_text(), re.M)
    return {(int(status), reason) for status, reason in rows}


class Said:
    """What came of the messages of a table, by their names."""

    def __init__(self, face, rows, *flags, behind=b""):
        self.face = face
        names = [row[0] for row in rows]
        texts = json.dumps([(row[1] + behind).decode("latin-1") for row in rows])
        self.before = face.came()
        done = face.lab.exec(face.client, "python3", APPS / "say_bytes.py", face.host, face.port, *flags, input=texts,
                             timeout=300)
        assert done.returncode == 0, done.stderr
        self.heard = dict(zip(names, json.loads(done.stdout)))
        self.lines = {}
        wait_until(self.all_told, "a line in the log for each")
        self.arrived = face.came()[len(self.before):]

    def all_told(self):
        """Whether the log has a line about each connection: (status, flags, details) of the last one."""
        by_client = {}
        for line in self.face.log().splitlines():
            if found := LINE.match(line):
                by_client[found["client"]] = (int(found["status"]), found["flags"], found["details"].replace("_", " "))
        self.lines = {name: by_client.get(endpoint(got["local"])) for name, got in self.heard.items()}
        return all(self.lines.values())


@pytest.fixture(scope="session")
def heads(face):
    return Said(face, smuggling.HEADS, behind=smuggling.BEHIND)


@pytest.fixture(scope="session")
def bodies(face):
    return Said(face, [(name, smuggling.CHUNKED + body) for name, body in smuggling.BODIES], behind=smuggling.BEHIND)


@pytest.fixture(scope="session")
def http2_heads(face):
    return Said(face, smuggling.HTTP2_HEADS, "--http2")


@pytest.fixture(scope="session")
def http2_bodies(face):
    return Said(face, smuggling.HTTP2_BODIES, "--http2")


def told(said, name, allowed):
    """The log says why, in the words and with the status of docs/http.md."""
    status, flags, reason = said.lines[name]
    assert status in allowed and (status, reason) in reasons(), (status, flags, reason)
    assert status != 400 or flags.split(",")[0] == "DPE", flags
    return status


def http1_status(heard):
    return int(heard.split(" ", 2)[1]) if heard.startswith("HTTP/1.1 ") else None


def answer(heard):
    """(status, RST_STREAM's code) of stream 1."""
    status = code = None
    for kind, _, stream, payload in frames(heard.encode("latin-1")):
        if stream == 1 and kind == HEADERS:
            status = status_of(payload)
        if stream == 1 and kind == RST_STREAM:
            code = int.from_bytes(payload, "big")
    return status, code


@pytest.mark.parametrize("what,said,status", smuggling.HEADS, ids=[row[0] for row in smuggling.HEADS])
def test_a_head_that_could_be_read_in_two_ways_is_refused(heads, what, said, status):
    got = heads.heard[what]
    allowed = status if isinstance(status, tuple) else (status,)
    assert got["closed"] and http1_status(got["heard"]) in allowed, got
    assert got["heard"].count("HTTP/1.1 ") == 1
    assert told(heads, what, allowed) == http1_status(got["heard"])


@pytest.mark.parametrize("what,body", smuggling.BODIES, ids=[row[0] for row in smuggling.BODIES])
def test_a_body_that_goes_wrong_ends_its_request(bodies, what, body):
    got = bodies.heard[what]
    assert got["closed"] and got["heard"].count("HTTP/1.1 ") == 1, got
    assert told(bodies, what, (400, 431)) == http1_status(got["heard"])


@pytest.mark.parametrize("what,said,status", smuggling.HTTP2_HEADS, ids=[row[0] for row in smuggling.HTTP2_HEADS])
def test_a_head_of_http2_that_could_be_read_in_two_ways_is_refused(http2_heads, what, said, status):
    got, code = answer(http2_heads.heard[what]["heard"])
    assert got == status and (code == PROTOCOL_ERROR or status != 400), (got, code)
    told(http2_heads, what, (status,))


@pytest.mark.parametrize("what,said", smuggling.HTTP2_BODIES, ids=[row[0] for row in smuggling.HTTP2_BODIES])
def test_a_body_of_http2_that_goes_wrong_ends_its_request(http2_bodies, what, said):
    got, code = answer(http2_bodies.heard[what]["heard"])
    assert (got, code) == (400, PROTOCOL_ERROR)
    told(http2_bodies, what, (400,))


def test_the_origin_sees_nothing_of_what_is_refused(heads, http2_heads):
    assert heads.arrived == "" and http2_heads.arrived == ""


def test_the_origin_never_takes_a_broken_body_for_a_whole_one(bodies, http2_bodies):
    for said in (bodies, http2_bodies):
        assert "smuggled" not in said.arrived
        assert set(re.findall(r"(?:^|\r\n\r\n)([A-Z]+ \S+) HTTP/1.1\r\n", said.arrived)) <= {"POST /held"}
        assert "\r\n0\r\n" not in said.arrived


def test_the_same_well_formed_goes_through(face):
    sound = (b"GET /one HTTP/1.1\r\nHost: a\r\n\r\nPOST /two HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
             b"GET /three HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    got = Said(face, [("sound", sound)])
    assert got.heard["sound"]["heard"].count("HTTP/1.1 200 ") == 3, got.heard
    paths = re.findall(r"[A-Z]+ (/\w+) HTTP/1.1\r\n", got.arrived)
    assert sorted(paths) == ["/one", "/three", "/two"], got.arrived
    http2 = Said(face, [("sound", smuggling.head(smuggling.request(path=b"/four")))], "--http2")
    assert answer(http2.heard["sound"]["heard"])[0] == 200 and "GET /four " in http2.arrived


PATHS = [  # as BASE has it, Istio's default: (what is asked, what the origin is asked; None: refused)
    ("/a/../b", "/b"), ("/a/%2e%2e/b", "/b"), ("/a/.%2E/b", "/b"), ("/../../etc/passwd", "/etc/passwd"),
    ("/%61dmin", "/admin"), ("/a\\..\\b", "/b"), ("/a//b", "/a//b"), ("/a%2Fb", "/a%2Fb"), ("/%252e%252e/b", "/%252e%252e/b"),
    ("/a%00b", None), ("/a/./b?c=/../d", "/a/b?c=/../d"), ("/a/..;/b", "/a/..;/b"), ("/a%5cb", "/a%5Cb"),
]


def test_paths_are_normal_when_rules_and_origin_see_them(face):
    rows = [(asked, f"GET {asked} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode()) for asked, _ in PATHS]
    got = Said(face, rows)
    seen = re.findall(r"GET (\S+) HTTP/1.1\r\n", got.arrived)
    assert [path.lower() for path in seen] == [path.lower() for _, path in PATHS if path], seen
    for asked, path in PATHS:
        assert http1_status(got.heard[asked]["heard"]) == (200 if path else 400), asked
        if path is None:
            assert told(got, asked, (400,)) == 400
