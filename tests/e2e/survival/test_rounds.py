"""Rounds of faults: afterwards descriptors, map entries, pins and memory are as they were."""
import os
import pathlib
import subprocess

from lab import Lab, wait_until
from survival_mesh import PORT, SERVERS, component, fds, manifest, node_is_ready, pod, resident_kib

BPFTOOL = "/usr/sbin/bpftool"
MAPS = ("cv_pod", "cv_listener", "cv_counter", "cv_origin", "cv_client", "cv_kubelet", "cv_exclude")
PARTS = ("control", *(f"node/{node}/{part}" for node in SERVERS for part in ("agent", "ztunnel")))
GROWTH_KIB = 2048
SETTLE = 6  # descriptors that may be between two states: a tunnel, a stream of control's
FAR = {"east": "west", "west": "east"}


def pins(lab, node):
    return pathlib.Path(f"/sys/fs/bpf/culvert/lab/{lab.name}/{node}")


def entries(lab, node):
    from survival_mesh import entries as of
    return {name: of(lab, name)[node] for name in MAPS}


def state(lab):
    pids = {part: component(lab, part)["pid"] for part in PARTS}
    return {
        "descriptors": {part: fds(pid) for part, pid in pids.items()},
        "kib": {part: resident_kib(pid) for part, pid in pids.items()},
        "entries": {node: entries(lab, node) for node in SERVERS},
        "pins": {node: sum(1 for path in pins(lab, node).rglob("*") if path.is_file()) for node in SERVERS},
    }


def speaks(lab, source, node):
    ip = lab.ips(SERVERS[node])[0]
    return lab.connect(source, ip, PORT, "--send", "x")[0].get("received") == "x"


def traffic(lab):
    for source, node in (("shop/alpha", "west"), ("shop/beta", "east")):
        wait_until(lambda s=source, n=node: speaks(lab, s, n), f"traffic from {source}")


def kill(lab, node, part):
    former = component(lab, f"node/{node}/{part}")["pid"]
    lab.kill(f"node/{node}", part)
    wait_until(lambda: component(lab, f"node/{node}/{part}")["pid"] not in (0, former) and node_is_ready(lab, node),
               f"another {part} of {node}")


def come_and_go(lab, node, flood):
    """A pod that appears, is spoken to, and goes away with a connection open."""
    lab.apply(pod("shop/guest", node, [flood, "serve", PORT], PORT))
    client = "shop/alpha" if node == "west" else "shop/beta"
    idle = lab.popen(client, "python3", "-c",
                     "import socket, sys; s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 10); "
                     "s.sendall(b'x'); s.recv(1); print('open', flush=True); s.settimeout(30); s.recv(1)",
                     lab.ips("shop/guest")[0], PORT, stderr=subprocess.DEVNULL)
    assert idle.stdout.readline() == "open\n"
    lab.delete("Pod", "shop/guest")
    idle.wait(timeout=60)


def flooded_table(lab, node):
    """Entries of connections that never were, in the handshake table; they are taken out again."""
    for word in ("update", "delete"):
        for number in range(32):
            more = ["value", *["0"] * 24] if word == "update" else []
            subprocess.run([BPFTOOL, "map", word, "pinned", str(pins(lab, node) / "cv_origin"), "key",
                            str(number + 1), *["0"] * 47, *more], check=True, capture_output=True)


def one_round(lab, number, flood):
    node = ("east", "west")[number % 2]
    kill(lab, node, ("agent", "ztunnel")[number // 2 % 2])
    come_and_go(lab, FAR[node], flood)
    flooded_table(lab, node)
    traffic(lab)


def grown(before, now):
    """What is more than it was, beyond what comes and goes."""
    out = {}
    for part in PARTS:
        if now["descriptors"][part] > before["descriptors"][part] + SETTLE:
            out[f"descriptors of {part}"] = (before["descriptors"][part], now["descriptors"][part])
        if now["kib"][part] > before["kib"][part] + GROWTH_KIB:
            out[f"KiB of {part}"] = (before["kib"][part], now["kib"][part])
    for kind in ("entries", "pins"):
        if now[kind] != before[kind]:
            out[kind] = (before[kind], now[kind])
    return out


def test_rounds_of_faults_leave_everything_as_it_was(flood, long_run):
    with Lab(f"e2e-rounds-{os.getpid()}", manifest(flood)) as lab:
        for number in range(4):  # each part has died once: what is compared are successors
            one_round(lab, number, flood)
        before = state(lab)
        for number in range(100 if long_run else 5):
            one_round(lab, number, flood)
        traffic(lab)
        wait_until(lambda: not grown(before, state(lab)), f"as before, not {grown(before, state(lab))}")
        print(f"\n{before['kib']} KiB before, {state(lab)['kib']} after")
