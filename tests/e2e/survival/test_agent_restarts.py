"""Agents end and come back under load: no connection is without a tunnel, and none fails."""
from survival_mesh import (CLIENTS, PORT, SERVERS, Flood, component, node_is_ready, served, vips)
from lab import wait_until

RATE = 500  # a second and client
ROUNDS = 20


def another_agent(lab, node, how):
    """Restarts or kills the agent; returns when the next one is at work."""
    name = f"node/{node}/agent"
    former = component(lab, name)["pid"]
    if how == "restart":
        lab.restart(f"node/{node}", "agent")
    else:
        lab.kill(f"node/{node}", "agent")
    wait_until(lambda: component(lab, name)["pid"] not in (0, former) and node_is_ready(lab, node),
               f"another agent of {node}")


def test_the_capture_would_show_a_connection_without_a_tunnel(mesh, flood):
    outside = mesh.ips("plain/outside")[0]
    with mesh.capture("node/east", f"tcp port {PORT}") as wire:
        assert Flood(mesh, flood, "plain/bare", [outside], 10, 0.5).result()["failed"] == 0
    assert wire.packets()


def test_twenty_restarts_and_kills_neither_fail_a_connection_nor_let_one_past(mesh, flood):
    far = {"east": "west", "west": "east"}
    before = {key: served(mesh, key)["accepted"] for key in SERVERS.values()}
    with mesh.capture("node/east", f"tcp port {PORT}") as east, \
            mesh.capture("node/west", f"tcp port {PORT}") as west:
        floods = [Flood(mesh, flood, pod, [*mesh.ips(SERVERS[far[node]]), *vips(mesh)], RATE)
                  for node, pod in CLIENTS.items()]
        for round_number in range(ROUNDS):
            another_agent(mesh, ("east", "west")[round_number % 2],
                          ("restart", "kill")[round_number // 2 % 2])
        results = [f.stop() for f in floods]
    rates = [r["rate"] for r in results]
    print(f"\n{sum(r['ok'] for r in results)} connections, {sum(rates)} a second, slowest "
          f"{max(r['slowest_ms'] for r in results)} ms, {ROUNDS} agents ended")
    assert [r["errors"] for r in results] == [{}, {}]
    assert all(r["ok"] > RATE for r in results)
    assert east.packets() == [] and west.packets() == []
    came = sum(served(mesh, key)["accepted"] - count for key, count in before.items())
    assert came == sum(r["ok"] for r in results)
    wait_until(lambda: in_access_logs(mesh) >= came, "a line of the access logs for each")


def in_access_logs(lab):
    """Connections to the servers that the ztunnels let in from a known identity."""
    return sum(1 for node in SERVERS for line in lab.logs(f"node/{node}", "ztunnel").splitlines()
               if 'direction="inbound"' in line and f":{PORT} " in line and 'src.identity="spiffe://' in line)
