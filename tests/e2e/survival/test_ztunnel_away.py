"""While ztunnel is dead its pods' connections are refused, both ways, and nothing goes past it; when it
is back so is the traffic, and nothing has leaked."""
import os
import select
import signal
import time

import pytest

from lab import wait_until
from survival_mesh import (CLIENTS, PORT, SERVERS, Flood, as_kubelet, component, entries, fds, served,
                           sockets, vips, with_payload)

NODES = list(CLIENTS)
AT_ONCE_S = 10  # who is not refused at once waits for as long as it has patience
DRAIN_S, LATE_S = 5, 25  # --drain-time; so much later an end may be noticed on a busy machine
REFUSED = {"connect ECONNREFUSED", "read ECONNREFUSED", "read ECONNRESET", "write ECONNRESET", "write EPIPE",
           "connect ECONNRESET"}


# TCP segments with bytes in them, of either family. Captures beside load must see nothing else: they
# end once the file stops growing.
PAYLOAD = ("tcp and ((ip and ip[2:2] - ((ip[0] & 0xf) << 2) - ((tcp[12] & 0xf0) >> 2) != 0) or "
           "(ip6 and ip6[4:2] - ((ip6[52] & 0xf0) >> 2) != 0))")


def hold(lab, part):
    for node in NODES:
        lab.kill(f"node/{node}", part, hold=True)


def bring_back(lab, part):
    for node in NODES:
        lab.restart(f"node/{node}", part)


def ways(lab):
    """(from, address, flags) of each way out of and into the mesh."""
    store, outside = vips(lab), lab.ips("plain/outside")
    out = [("shop/alpha", ip, ()) for node in NODES for ip in lab.ips(SERVERS[node])]
    out += [("shop/alpha", ip, ()) for ip in (*store, *outside)]
    out += [("shop/alpha", ip, ("--dual",)) for ip in (lab.ips("shop/web-west")[0], outside[0])]
    out += [(source, ip, ()) for source in ("plain/bare", "node/west", "node/east")
            for node in NODES for ip in lab.ips(SERVERS[node])]
    return out


def assert_all_refused(lab):
    """Each way is refused at once; no server sees a connection and no link a byte."""
    before = {key: served(lab, key) for key in (*SERVERS.values(), "plain/outside")}
    with lab.capture("node/east", "tcp") as east, lab.capture("node/west", "tcp") as west:
        for source, ip, flags in ways(lab):
            for port in (PORT, 15008):
                if port != PORT and source.startswith("shop/"):
                    continue
                seen = lab.connect(source, ip, port, "--send", "a secret", "--timeout", "60", *flags)[0]
                assert seen.get("errno") in ("ECONNREFUSED", "ECONNRESET"), (source, ip, port, seen)
                assert not seen["connected"], (source, ip, port, seen)
                assert seen["seconds"] < AT_ONCE_S, (source, ip, port, seen)
    assert with_payload(east) == [] and with_payload(west) == []
    assert east.packets(), "the refusals to unmeshed clients are on the wire"
    alpha = lab.ips("shop/alpha")
    assert [p for p in east.packets() for ip in alpha if f" {ip}." in p] == []
    assert {key: served(lab, key) for key in before} == before


def state(lab):
    """What must not grow: listeners, handshake entries, sockets of the pods, descriptors."""
    return {**{f"{name} {node}": count for name in ("cv_pod", "cv_listener", "cv_origin", "cv_client")
               for node, count in entries(lab, name).items()},
            **{key: sockets(lab, key) for key in CLIENTS.values()},
            **{f"descriptors {node}": fds(component(lab, f"node/{node}/ztunnel")["pid"]) for node in NODES}}


def settled(lab, want):
    """Waits until state is as `want`, but for a few tunnels more or fewer."""
    def differing():
        now = state(lab)
        return {key: (now[key], want[key]) for key in want
                if abs(now[key] - want[key]) > (0 if key.startswith("cv_") else 12)}
    try:
        wait_until(lambda: not differing(), "the state of before")
    except AssertionError:
        raise AssertionError(f"(now, before): {differing()}") from None


def test_the_captures_would_show_bytes_of_either_family(mesh, flood):
    for ip in mesh.ips("plain/outside"):
        with mesh.capture("node/east", PAYLOAD) as some, mesh.capture("node/east", "tcp") as all_of_it:
            Flood(mesh, flood, "plain/bare", [ip], 10, 0.3).result()
        assert some.packets() and with_payload(all_of_it), ip


def test_under_load_a_killed_ztunnel_refuses_and_traffic_comes_back_with_it(mesh, flood):
    alpha = [*mesh.ips("shop/web-west"), *vips(mesh), *mesh.ips("plain/outside")]
    warm = Flood(mesh, flood, "shop/alpha", alpha, 200)
    warm.flows(400)
    warm.stop()
    before = state(mesh)
    floods = [Flood(mesh, flood, "shop/alpha", alpha, 200),
              Flood(mesh, flood, "shop/beta", mesh.ips("shop/web-east"), 200),
              Flood(mesh, flood, "plain/bare", mesh.ips("shop/web-east"), 100)]
    for f in floods:
        f.flows(50)
    hold(mesh, "ztunnel")
    failed = [f.last["failed"] for f in floods]
    wait_until(lambda: all(f.last["failed"] > n + 20 for f, n in zip(floods, failed)), "what was under way has ended")
    stood = [f.last["ok"] for f in floods]
    assert_all_refused_beside_load(mesh, floods)
    assert [f.last["ok"] for f in floods] == stood
    bring_back(mesh, "ztunnel")
    for f in floods:
        f.flows(100)
    results = [f.stop() for f in floods]
    for result in results:
        assert result["failed"] > 0
        # A connection whose bytes had all been passed on sees the dead process's FIN as an end.
        assert set(result["errors"]) <= REFUSED | {"read EOF"}, result
        assert result["errors"].get("read EOF", 0) <= 20, result
    settled(mesh, before)


def assert_all_refused_beside_load(lab, floods):
    before = {key: served(lab, key) for key in SERVERS.values()}
    failed = [f.last["failed"] for f in floods]
    with lab.capture("node/east", PAYLOAD) as east, lab.capture("node/west", PAYLOAD) as west:
        wait_until(lambda: all(f.last["failed"] > n + 50 for f, n in zip(floods, failed)), "refusals")
    assert east.packets() == [] and west.packets() == []
    assert {key: served(lab, key) for key in before} == before


def test_each_way_in_and_out_is_refused_while_ztunnel_is_away_and_probes_pass(mesh):
    hold(mesh, "ztunnel")
    try:
        assert_all_refused(mesh)
        for node in NODES:
            for ip in mesh.ips(SERVERS[node]):
                assert as_kubelet(mesh, node, ip) == 0, (node, ip)
    finally:
        bring_back(mesh, "ztunnel")


def test_with_the_agent_dead_too_it_is_still_refused_and_the_maps_can_be_read(mesh):
    hold(mesh, "agent")
    hold(mesh, "ztunnel")
    try:
        assert_all_refused(mesh)
        assert set(entries(mesh, "cv_pod").values()) == {2}
    finally:
        bring_back(mesh, "agent")
        bring_back(mesh, "ztunnel")
    assert mesh.connect("shop/alpha", mesh.ips("shop/web-west")[0], PORT, "--send", "x")[0]["received"] == "x"


def test_a_killed_ztunnel_is_brought_back_and_traffic_with_it(mesh, flood):
    load = Flood(mesh, flood, "shop/alpha", mesh.ips("shop/web-west"), 100)
    load.flows(50)
    for node in NODES:
        mesh.kill(f"node/{node}", "ztunnel")
    wait_until(lambda: load.last["failed"] > 0, "a refusal")
    load.flows(100)
    load.stop()


@pytest.mark.parametrize("part", ["ztunnel", "agent"])
def test_a_graceful_end_takes_little_more_than_the_drain_and_leaves_status_0(mesh, flood, part):
    load = Flood(mesh, flood, "shop/alpha", mesh.ips("shop/web-west"), 100)
    idle = mesh.popen("shop/alpha", "python3", "-c", IDLE, mesh.ips("shop/web-west")[0], str(PORT))
    assert idle.stdout.readline() == "open\n"
    load.flows(20)
    pid = component(mesh, f"node/west/{part}")["pid"]
    watched = os.pidfd_open(pid)
    began = time.monotonic()
    if part == "agent":
        mesh.restart("node/west", part)
    else:  # restarting it would be a handover
        os.kill(pid, signal.SIGTERM)
    assert select.select([watched], [], [], 120)[0] and time.monotonic() - began < DRAIN_S + LATE_S
    os.close(watched)
    wait_until(lambda: component(mesh, f"node/west/{part}")["pid"] not in (0, pid), "the next one")
    assert component(mesh, f"node/west/{part}")["last_exit"] == 0
    load.flows(50)
    load.stop()
    if part == "agent":
        idle.send_signal(signal.SIGTERM)
    else:
        assert idle.stdout.readline() in ("end\n", "reset\n")
    idle.wait(timeout=60)


IDLE = """
import socket, sys
s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)
s.sendall(b"x"); s.recv(1); s.settimeout(None)
print("open", flush=True)
try:
    print("end" if s.recv(1) == b"" else "bytes", flush=True)
except OSError:
    print("reset", flush=True)
"""
