"""Messages that two parsers could read differently, and malformed ones: each is refused with its status, the
connection is closed, the log has the reason, and the origin sees nothing of it or of what stands behind it."""
import socket
import time

import pytest
from edge_process import Origin, edge, talk

HOST = b"Host: a\r\n"
BEHIND = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"

# (what it is, bytes, status)
HEADS = [
    ("both lengths", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("two lengths that differ", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 35\r\n\r\n", 400),
    ("two lengths alike", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n", 400),
    ("a list of lengths", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0, 0\r\n\r\n", 400),
    ("a signed length", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello", 400),
    ("a hexadecimal length", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\nhello", 400),
    ("a length over 64 bits", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551616\r\n\r\n", 400),
    ("chunked twice", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400),
    ("chunked, then identity", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n", 400),
    ("an unknown coding", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", (400, 501)),
    ("a tab before chunked's name", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", 400),
    ("space before the colon", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400),
    ("a folded field", b"GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n Transfer-Encoding: chunked\r\n\r\n", 400),
    ("a bare LF behind a field", b"GET / HTTP/1.1\r\nHost: a\r\nX: b\nContent-Length: 5\r\n\r\n", 400),
    ("a bare CR in a value", b"GET / HTTP/1.1\r\nHost: a\r\nX: b\rContent-Length: 5\r\n\r\n", 400),
    ("a NUL in a value", b"GET / HTTP/1.1\r\nHost: a\r\nX: b\0c\r\n\r\n", 400),
    ("a field without a name", b"GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", 400),
    ("a name with a space", b"GET / HTTP/1.1\r\nHost: a\r\nA B: c\r\n\r\n", 400),
    ("no Host", b"GET / HTTP/1.1\r\n\r\n", 400),
    ("two Hosts", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    ("target and Host differ", b"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("userinfo in Host", b"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", 400),
    ("a space in the target", b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("a fragment", b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("two spaces", b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("CONNECT", b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", 501),
    ("HTTP/1.2", b"GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505),
    ("chunked in HTTP/1.0", b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("Connection names Host", b"GET / HTTP/1.1\r\nHost: a\r\nConnection: host\r\n\r\n", 400),
    ("Connection names Content-Length", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nConnection: content-length\r\n\r\nx", 400),
    ("an unknown expectation", b"GET / HTTP/1.1\r\nHost: a\r\nExpect: 200-maybe\r\n\r\n", 417),
    ("a websocket by POST", b"POST / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", 400),
    ("too many fields", b"GET / HTTP/1.1\r\n" + HOST + b"X: y\r\n" * 101 + b"\r\n", 431),
    ("a head that is too long", b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"y" * 70_000 + b"\r\n\r\n", 431),
    ("a target that is too long", b"GET /" + b"y" * 40_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414),
    ("a method that is too long", b"A" * 40 + b" / HTTP/1.1\r\n" + HOST + b"\r\n", 501),
    ("not HTTP", b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400),
]
CHUNKED = b"POST /begun HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
# Bodies that go wrong: their heads have been passed on, and what follows is not.
BODIES = [
    ("a chunk size with a sign", b"+4\r\nabcd\r\n0\r\n\r\n"),
    ("a chunk size with 0x", b"0x4\r\nabcd\r\n0\r\n\r\n"),
    ("a chunk size that is empty", b"\r\nabcd\r\n0\r\n\r\n"),
    ("a chunk size over 64 bits", b"10000000000000004\r\nabcd\r\n0\r\n\r\n"),
    ("a chunk longer than its size", b"4\r\nabcde\r\n0\r\n\r\n"),
    ("a chunk size ended by LF", b"4\nabcd\r\n0\r\n\r\n"),
    ("a chunk ended by LF", b"4\r\nabcd\n0\r\n\r\n"),
    ("a bare CR in an extension", b"4;a=\rb\r\nabcd\r\n0\r\n\r\n"),
    ("a trailer that belongs into the head", b"0\r\nContent-Length: 5\r\n\r\n"),
    ("a trailer that is folded", b"0\r\nX: a\r\n b\r\n\r\n"),
]


@pytest.fixture(scope="module")
def origin():
    return Origin()


@pytest.fixture(scope="module")
def proxy(origin):
    with edge("--to", f"127.0.0.1:{origin.port}") as running:
        yield running


def status_of(heard):
    return int(heard.split(b" ", 2)[1]) if heard.startswith(b"HTTP/1.1 ") else None


@pytest.mark.parametrize("what,said,status", HEADS, ids=[row[0] for row in HEADS])
def test_a_head_that_could_be_read_in_two_ways_is_refused_and_goes_nowhere(proxy, origin, what, said, status):
    port, log = proxy
    before, lines = b"".join(origin.seen), len(log)
    heard, closed = talk(port, said + BEHIND)
    allowed = status if isinstance(status, tuple) else (status,)
    assert closed and status_of(heard) in allowed, heard
    assert heard.count(b"HTTP/1.1 ") == 1 and b"\r\nconnection: close\r\n" in heard
    for _ in range(100):
        if len(log) > lines:
            break
        time.sleep(0.05)
    assert any(f"refused: {status_of(heard)} " in line for line in log[lines:]), log[lines:]
    assert b"".join(origin.seen) == before


@pytest.mark.parametrize("what,body", BODIES, ids=[row[0] for row in BODIES])
def test_a_body_that_goes_wrong_ends_its_request_on_both_sides(proxy, origin, what, body):
    heard, closed = talk(proxy[0], CHUNKED + body + BEHIND)
    assert closed and heard.count(b"HTTP/1.1 ") <= 1, heard
    assert status_of(heard) in (None, 200, 400, 431), heard  # 200: this origin answers heads
    assert b"/smuggled" not in b"".join(origin.seen)
    assert not any(seen.endswith(b"\r\n0\r\n\r\n") for seen in origin.seen), "a body was made to look whole"


def test_the_same_requests_well_formed_go_through(proxy, origin):
    said = (b"GET /one HTTP/1.1\r\nHost: a\r\n\r\n"
            b"POST /two HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
            b"GET /three HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    heard, closed = talk(proxy[0], said)
    assert closed and heard.count(b"HTTP/1.1 200 OK") == 3, heard
    seen = b"".join(origin.seen)
    assert b"GET /one " in seen and b"POST /two " in seen and b"GET /three " in seen


def test_clients_that_send_byte_by_byte_or_never_do_not_stop_others(proxy):
    slow = [socket.create_connection(("127.0.0.1", proxy[0])) for _ in range(200)]
    for at, one in enumerate(slow):
        one.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n"[: at % 60])
    heard, closed = talk(proxy[0], b"GET /among HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert closed and status_of(heard) == 200
    for one in slow:
        one.close()
