"""SIGTERM, POST /drain and POST /quitquitquit: what still works, what peers are told, when it ends.

The ztunnel under test is the west's, which is killed at the end of each test and comes back.
"""
import contextlib
import json
import os
import signal
import subprocess
import time

import pytest
from flows import NODES, Mesh, client_pod, meshed, server_pod
from lab import APPS, Lab, wait_until
from lifecycle import admin, component, ended, kept, lines_of, say
from mint import Mint

DRAIN = 8  # seconds, --drain-time: time for a busy machine to do what it should before
PODS = (NODES + meshed("shop") + server_pod("shop", "web", "west") + client_pod("shop", "near", "west") +
        client_pod("shop", "far", "east") + server_pod("shop", "stock", "east") + client_pod("default", "outside", "east") +
        client_pod("shop", "fake", "east", labels="{istio.io/dataplane-mode: none}").replace(
            "namespace: shop,", "namespace: shop, annotations: {ambient.istio.io/redirection: enabled},"))


@pytest.fixture(scope="module")
def mesh():
    with Lab(f"life-drain-{os.getpid()}", PODS, flags=[f"--ztunnel-flag=--drain-time={DRAIN}s"]) as lab:
        mesh = Mesh(lab, clients=["shop/far", "shop/near"])
        yield mesh
        mesh.close()


@pytest.fixture(scope="module")
def mint(mesh, tmp_path_factory):
    return Mint.of_lab(tmp_path_factory.mktemp("mint") / "lab", mesh.lab.name)


@pytest.fixture
def west(mesh):
    """The process id of the west's ztunnel; another one serves after the test."""
    mesh.answered("shop/far", "shop/web", 8080)
    pid = component(mesh.lab, "node/west/ztunnel")["pid"]
    yield pid
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: component(mesh.lab, "node/west/ztunnel")["pid"] not in (0, pid), "another ztunnel")
    wait_until(lambda: mesh.flow("shop/far", "shop/web", 8080)["outcome"] == "answered", "service")


def hold(mesh, mint, text="first"):
    """A held tunnel from outside the mesh to shop/web, over which `text` was echoed."""
    cert, key = mint.leaf("URI:spiffe://cluster.local/ns/shop/sa/far")
    ip = mesh.ip("shop/web")
    process = mesh.lab.popen("default/outside", "python3", APPS / "hbone_holder.py", ip, "--roots", mint.cert,
                             "--cert", cert, "--key", key, "--authority", f"{ip}:8080", stdin=subprocess.PIPE)
    assert json.loads(process.stdout.readline()) == {"status": 200}
    say(process, text)
    assert json.loads(process.stdout.readline()) == {"answer": text}
    return process


def test_sigterm_tells_an_inbound_tunnel_goaway_and_its_stream_may_finish(mesh, mint, west):
    tunnel = hold(mesh, mint)
    os.kill(west, signal.SIGTERM)
    assert json.loads(tunnel.stdout.readline()) == {"goaway": [2**31 - 1, 0]}  # notice, RFC 9113 section 6.8
    assert json.loads(tunnel.stdout.readline()) == {"goaway": [1, 0]}
    say(tunnel, "still")
    assert json.loads(tunnel.stdout.readline()) == {"answer": "still"}
    tunnel.stdin.close()  # our end of stream, and so the server's
    rest = lines_of(tunnel)
    assert {"ended": "END_STREAM"} in rest and rest[-1] == {"closed": "in order"}
    ended(west, within=DRAIN)  # the last connection has ended: nothing is waited for
    assert "drained: the last connection has ended" in mesh.lab.logs("node/west", "ztunnel")


def test_sigterm_tells_an_outbound_tunnel_goaway(mesh, mint, west):
    cert, key = mint.leaf("URI:spiffe://cluster.local/ns/shop/sa/fake")
    argv = ["openssl", "s_server", "-accept", "15008", "-cert", cert, "-key", key, "-alpn", "h2", "-quiet",
            "-CAfile", mint.cert, "-Verify", "2"]
    with mesh.lab.popen("shop/fake", *argv, text=False, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as server:
        wait_until(lambda: ":15008" in mesh.lab.exec("shop/fake", "ss", "-Htln").stdout, "openssl listens")
        heard = b""
        client = mesh.lab.popen("shop/near", "python3", APPS / "tcp_client.py", mesh.ip("shop/fake"), "8080")
        os.set_blocking(server.stdout.fileno(), False)

        def hear(what):
            nonlocal heard
            heard += server.stdout.read() or b""
            return what in heard
        wait_until(lambda: hear(b"PRI * HTTP/2.0"), "HTTP/2 arrives")
        time.sleep(0.5)  # its CONNECT is there, which nobody will answer
        os.kill(west, signal.SIGTERM)
        goaway = bytes([0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
        wait_until(lambda: hear(goaway), "GOAWAY with NO_ERROR", timeout=DRAIN)
        server.terminate()
        client.kill()
        client.wait()


def test_while_it_drains_new_connections_are_refused_and_old_ones_served_until_the_bound(mesh, west):
    with kept(mesh, "shop/far", "shop/web") as line, kept(mesh, "shop/near", "shop/web") as joined:
        began = time.monotonic()
        os.kill(west, signal.SIGTERM)
        wait_until(lambda: mesh.flow("shop/far", "shop/web", 8080)["outcome"] in ("refused", "reset"), "a refusal")
        assert mesh.flow("shop/near", "shop/stock", 8080)["outcome"] in ("refused", "reset")
        assert line("still here") == joined("here too") == "answered"
        ended(west, within=DRAIN + 5)
        assert time.monotonic() - began >= DRAIN
        assert line("gone") == joined("gone") == "reset"
    log = mesh.lab.logs("node/west", "ztunnel")
    assert "cut at the end of the drain" in log


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_it_at_once(mesh, west, second):
    with kept(mesh, "shop/far", "shop/web") as line:
        began = time.monotonic()
        os.kill(west, signal.SIGTERM)
        time.sleep(0.5)
        assert line("still here") == "answered"
        os.kill(west, second)
        ended(west, within=DRAIN - 1)
        assert time.monotonic() - began < DRAIN
        assert line("gone") == "reset"


def test_post_drain_stays_until_it_is_asked_to_quit(mesh, west):
    with kept(mesh, "shop/far", "shop/web") as line:
        assert admin(mesh.lab, "west", "POST", "/drain") == "draining\n"
        wait_until(lambda: mesh.flow("shop/far", "shop/web", 8080)["outcome"] in ("refused", "reset"), "a refusal")
        time.sleep(DRAIN + 1)
        assert line("still here") == "answered"
        assert "draining" in admin(mesh.lab, "west", "GET", "/healthz/ready", port=15021)
        admin(mesh.lab, "west", "POST", "/quitquitquit")
        ended(west, within=DRAIN + 5)
        assert line("gone") == "reset"


def test_post_quitquitquit_ends_an_idle_ztunnel_soon(mesh, west):
    assert "draining, then exiting" in admin(mesh.lab, "west", "POST", "/quitquitquit")
    ended(west, within=DRAIN)
    assert component(mesh.lab, "node/west/ztunnel")["last_exit"] == 0


def test_neither_a_hangup_nor_a_get_drains(mesh, west):
    os.kill(west, signal.SIGHUP)
    assert "405" in admin(mesh.lab, "west", "GET", "/drain", status=True)
    assert mesh.flow("shop/far", "shop/web", 8080)["outcome"] == "answered"
