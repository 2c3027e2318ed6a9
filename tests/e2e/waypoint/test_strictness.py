"""Messages that two parsers could read differently, and malformed ones: each is refused with its status, the
connection is closed, the log has the reason, and the origin sees nothing of it or of what stands behind it."""
import socket
import time

import pytest
from edge_process import Origin, edge, talk
from smuggling import BEHIND, BODIES, CHUNKED, HEADS


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
