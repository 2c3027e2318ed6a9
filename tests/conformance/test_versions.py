"""HTTP/1.1 and HTTP/2 on each side of a real waypoint, and WebSocket through it, over both address families."""
import json
import os
import signal
import subprocess
import time

import pytest

from proof_lab import HERE, PORTS, WAYPOINT, memory_kib, process_of, rules_of
from websocket import MESSAGES, PONG

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


def test_a_websocket_carries_messages_both_ways_to_its_close(shop, family):
    done = shop.exec("shop/web", "/usr/bin/python3", HERE / "websocket.py", "call", "servers", PORTS["http-socket"], family, check=True)
    said = json.loads(done.stdout)
    assert said == {"status": 101, "accepted": True, "messages": ["welcome", *MESSAGES], "pong": [PONG, "there?"],
                    "closed": 1000, "end": ""}


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
