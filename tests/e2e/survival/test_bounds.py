"""What traffic must not use up: source ports, descriptors, memory, map entries."""
import json

from lab import wait_until
from survival_mesh import (PORT, SERVERS, VIP_PORTS, Flood, component, entries, fds, resident_kib, vips)

CONNECTIONS = 2000
PORTS = 1000
GROWTH_KIB = 6144  # allocator slack; 2,000 leaked relays would be over 30 MiB
TUNNELS = 12       # pooled tunnels that may have come or gone
HOLD_ALL = """
import json, socket, sys
kept, errors = [], []
for n in range(1000):
    try:
        s = socket.create_connection((sys.argv[1], int(sys.argv[2 + n % 10])), 10)
        s.sendall(b"%04d" % n)
        if s.recv(4) != b"%04d" % n:
            errors.append("another's bytes")
        kept.append(s)
    except OSError as error:
        errors.append(str(error))
print(json.dumps({"kept": len(kept), "errors": sorted(set(errors))}))
"""


def test_a_hundred_source_ports_carry_a_thousand_connections_to_ten_destinations(mesh):
    mesh.exec("shop/alpha", "sysctl", "-w", "net.ipv4.ip_local_port_range=40000 40099", check=True)
    try:
        for ip in vips(mesh):
            done = mesh.exec("shop/alpha", "python3", "-c", HOLD_ALL, ip, *VIP_PORTS)
            assert json.loads(done.stdout) == {"kept": 1000, "errors": []}, done.stderr
    finally:
        mesh.exec("shop/alpha", "sysctl", "-w", "net.ipv4.ip_local_port_range=32768 60999", check=True)


def test_a_pods_port_takes_more_connections_a_minute_than_it_has_source_ports(mesh, flood, long_run):
    """Each arrives from the pod's own address, and leaves a port in TIME_WAIT."""
    seconds = 30 if long_run else 5
    mesh.exec("shop/web-west", "sysctl", "-w", f"net.ipv4.ip_local_port_range=40000 {39_999 + PORTS}", check=True)
    try:
        ip = mesh.ips("shop/web-west")[0]
        result = Flood(mesh, flood, "shop/alpha", [ip], 450, seconds).result()
        assert result["errors"] == {} and result["ok"] > 1.5 * PORTS, result
    finally:
        mesh.exec("shop/web-west", "sysctl", "-w", "net.ipv4.ip_local_port_range=32768 60999", check=True)


def used(lab):
    out = {}
    for node in SERVERS:
        for part in ("ztunnel", "agent"):
            pid = component(lab, f"node/{node}/{part}")["pid"]
            out[f"{node} {part}"] = (fds(pid), resident_kib(pid))
    return out


def test_two_thousand_connections_leave_memory_descriptors_and_maps_as_they_were(mesh, flood):
    to = [*mesh.ips("shop/web-west"), *mesh.ips("shop/web-east"), *mesh.ips("plain/outside")]
    Flood(mesh, flood, "shop/alpha", to, 500, CONNECTIONS / 500).result()  # warms pools and buffers
    before = used(mesh)
    assert Flood(mesh, flood, "shop/alpha", to, 500, CONNECTIONS / 500).result()["errors"] == {}

    def grown():
        return {name: (then, now) for name, now in used(mesh).items() for then in [before[name]]
                if now[0] > then[0] + TUNNELS or now[1] > then[1] + GROWTH_KIB}

    wait_until(lambda: not grown(), f"no growth, of {grown()}")
    for name in ("cv_origin", "cv_client"):
        assert set(entries(mesh, name).values()) == {0}, name


def test_peers_that_do_not_read_starve_nobody_else(mesh):
    """Many clients send more than all windows take, to a server that reads none of it."""
    mute = mesh.popen("shop/web-west", "python3", "-c", MUTE)
    assert mute.stdout.readline() == "listening\n"
    ip = mesh.ips("shop/web-west")[0]
    stuck = mesh.popen("shop/alpha", "python3", "-c", STUCK, ip)
    try:
        assert stuck.stdout.readline() == "stuck\n"
        for _ in range(20):
            seen = mesh.connect("shop/alpha", ip, PORT, "--send", "x", "--timeout", "60")[0]
            assert seen.get("received") == "x", seen
    finally:
        for process in (stuck, mute):
            process.kill()
            process.wait()


MUTE = """
import socket, time
s = socket.create_server(("", 9100), backlog=1024)
print("listening", flush=True)
kept = []
while True:
    kept.append(s.accept())
"""
STUCK = """
import select, socket, sys, time
socks = []
for n in range(32):  # twice the receive buffers; what they fill stays below the budget of the process
    s = socket.create_connection((sys.argv[1], 9100), 5)
    s.setblocking(False)
    socks.append(s)
end = time.monotonic() + 3
while time.monotonic() < end:
    for s in select.select([], socks, [], 0.2)[1]:
        try:
            s.send(b"z" * 65536)
        except BlockingIOError:
            pass
print("stuck", flush=True)
time.sleep(100)
"""
