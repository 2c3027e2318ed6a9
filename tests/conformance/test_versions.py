"""HTTP/1.1 and HTTP/2 on each side of a real waypoint, and WebSocket through it, over both address families."""
import json
import os
import signal
import subprocess
import time

import pytest

from proof_lab import HERE, HTTP2_SOCKET, PORTS, WAYPOINT, memory_kib, process_of, rules_of
from waypoint_lab import wait_until
from websocket import MESSAGES

CLIENTS = {"HTTP/1.1": "--http1.1", "HTTP/2": "--http2-prior-knowledge"}
BODY = 3_000_000
HUGE = 1_000_000_000
# What buffers of connections may hold of a body that nobody takes; a small part of it.
HELD_KIB = 48 * 1024
LOOKS, BETWEEN_S = 4, 0.25


@pytest.fixture(scope="module", autouse=True)
def rule(shop):
    shop.apply(rules_of("servers", [{"route": [{"destination": {"host": "servers"}}], "headers": {"response": {"set": {"x-rule": "met"}}}}]))


@pytest.fixture(params=CLIENTS)
def curl(shop, family, request, tmp_path):
    """Asks with one version of HTTP; gives the answer's head and body."""
    def ask(port, path, *flags):
        out = tmp_path / "body"
        done = shop.exec("shop/web", "curl", "-sS", f"-{family}", CLIENTS[request.param], "--max-time", "60", "-D", "-", "-o", out,
                         *flags, f"http://servers:{PORTS[port]}{path}", check=True)
        head = done.stdout.lower()
        assert "x-rule: met" in head and head.splitlines()[0].split()[0] == {"HTTP/1.1": "http/1.1"}.get(request.param, "http/2")
        return head, out.read_bytes()
    ask.upload = ["--data-binary", f"@{tmp_path / 'sent'}"]
    (tmp_path / "sent").write_bytes(b"s" * BODY)
    return ask


def test_a_server_of_http1_is_spoken_to_in_http1(curl):
    assert json.loads(curl("http", "/page?a=b")[1])["path"] == "/page?a=b"
    assert json.loads(curl("http", "/", *curl.upload)[1])["bytes"] == BODY


def test_a_server_of_http2_is_spoken_to_in_http2(curl):
    assert curl("http2", f"/{BODY}")[1] == b"x" * BODY
    assert curl("http2", "/", *curl.upload)[1] == f"{BODY}\n".encode()
    said = curl("http2", "/mirror", "-H", "x-mine: 1")[1].decode()
    assert said.startswith(f"GET http://servers:{PORTS['http2']} /mirror\n") and "x-mine: 1\n" in said


def test_heads_before_the_answer_and_trailers_behind_it_come_through(curl):
    assert "103" in curl("http2", "/hints")[0]
    assert "x-end: here" in curl("http2", "/trailers", "-H", "te: trailers")[0]


SENT = [["x-sum", "of all"], ["x-more", "yes"]]  # as trailers.py does


@pytest.fixture(params=["1", "2"], ids=CLIENTS)
def with_trailers(shop, family, request):
    """Posts a body with trailers in one version of HTTP; gives the answer's body and trailers."""
    def post(port, path):
        done = shop.exec("shop/web", "/usr/bin/python3", HERE / "trailers.py", "servers", PORTS[port], family, request.param, path,
                         check=True)
        told = json.loads(done.stdout)
        assert told["status"] == 200, told
        return told["body"], told["trailers"]
    return post


def test_a_requests_trailers_come_to_a_server_of_either_version(with_trailers):
    assert json.loads(with_trailers("http", "/")[0])["trailers"] == SENT
    mirrored = with_trailers("http2", "/mirror")[0]
    assert mirrored.partition("--\n")[2] == "".join(f"{name}: {value}\n" for name, value in SENT), mirrored


def test_an_answers_trailers_come_to_a_client_of_either_version(with_trailers):
    body, trailers = with_trailers("http", "/trailers")
    assert (json.loads(body)["trailers"], trailers) == (SENT, [["x-end", "here"]])
    assert with_trailers("http2", "/trailers") == ("", [["x-end", "here"]])


# Of a reset that HTTP/2 carries on, and of one by which HTTP/1.1 ends a connection.
BROKEN = "reset"
ENDS = {"client-close": ("close 1000, end", "close 1000"), "client-end": ("end", "end"), "client-reset": ("own reset", BROKEN),
        "server-close": ("close 1001, end", "close 1001, end"), "server-end": ("end", "end"), "server-reset": (BROKEN, "own reset")}


@pytest.mark.parametrize("client, status", [("1", 101), ("2", 200)], ids=["HTTP/1.1", "HTTP/2"])
@pytest.mark.parametrize("port, server", [(PORTS["http-socket"], "HTTP/1.1"), (HTTP2_SOCKET, "HTTP/2")], ids=["to-HTTP/1.1", "to-HTTP/2"])
def test_a_websocket_carries_messages_both_ways_and_ends_as_either_side_ends_it(shop, family, client, status, port, server):
    def ends():
        return json.loads(shop.curl("shop/servers-1", f"http://localhost:{PORTS['http-socket']}/ends")[1])
    before = len(ends())
    done = shop.exec("shop/web", "/usr/bin/python3", HERE / "websocket.py", "call", "servers", port, family, client, *ENDS, check=True)
    heard = {"status": status, "accepted": True, "welcome": f"welcome over {server}", "echoed": len(MESSAGES), "pong": True}
    assert json.loads(done.stdout) == [{**heard, "end": at_client} for at_client, _ in ENDS.values()]
    wait_until(lambda: len(ends()) == before + len(ENDS), f"all have ended for the server: {ends()[before:]}")
    assert ends()[before:] == [at_server for _, at_server in ENDS.values()]


def test_a_server_of_http2_that_announces_no_websockets_is_asked_for_none(shop, family):
    for client in ("1", "2"):
        done = shop.exec("shop/web", "/usr/bin/python3", HERE / "websocket.py", "call", "servers", PORTS["http2"], family, client,
                         "client-close", check=True)
        said, = json.loads(done.stdout)
        assert said["status"] == 503, said


def test_a_server_may_refuse_the_upgrade(shop, family):
    done = shop.exec("shop/web", "curl", "-sS", f"-{family}", "-o", "/dev/null", "-w", "%{http_code}",
                     f"http://servers:{PORTS['http-socket']}/", check=True)
    assert done.stdout == "426"


def grown_kib(shop, process):
    """How far the waypoint's memory goes up while a transfer is under way that gets nowhere."""
    waypoint = process_of(shop, WAYPOINT)
    before, most = memory_kib(waypoint), 0
    try:
        for _ in range(LOOKS):
            time.sleep(BETWEEN_S)
            most = max(most, memory_kib(waypoint))
        assert process.poll() is None, process.communicate()
    finally:
        process.kill()
        process.communicate()
    return most - before


@pytest.mark.parametrize("version", CLIENTS)
def test_a_client_that_does_not_read_holds_its_server_back(shop, family, version):
    client = shop.popen("shop/web", "curl", "-sS", f"-{family}", CLIENTS[version], "--limit-rate", "1", "-o", "/dev/null",
                        f"http://servers:{PORTS['http2']}/{HUGE}", stderr=subprocess.PIPE)
    assert grown_kib(shop, client) < HELD_KIB


@pytest.mark.parametrize("version", CLIENTS)
@pytest.mark.parametrize("port, container", [("http", 0), ("http2", 1)])
def test_a_server_that_does_not_read_holds_its_client_back(shop, family, version, port, container):
    server = process_of(shop, "shop/servers-1", container)
    os.kill(server, signal.SIGSTOP)
    try:
        client = shop.popen("shop/web", "curl", "-sS", f"-{family}", CLIENTS[version], "-H", "Expect:", "-X", "POST", "-T",
                            "/dev/zero", f"http://servers:{PORTS[port]}/", stderr=subprocess.PIPE)
        assert grown_kib(shop, client) < HELD_KIB
    finally:
        os.kill(server, signal.SIGCONT)
