"""A process that entered a pod's namespace from outside of the node's cgroup, where no socket hook sees it."""
import json
import subprocess

from lab import CULVERT, ENV
from survival_mesh import PORT, SLEEP, pod

TALK = ("import socket, sys; s = socket.create_connection((sys.argv[1], int(sys.argv[2])), float(sys.argv[3])); "
        "s.sendall(b'x'); sys.exit(0 if s.recv(1) == b'x' else 1)")


def intruder(lab, key, ip, patience_s):
    """Exit status of one exchange from the pod's namespace, by a process of this test's own cgroup."""
    netns = f"cv-{lab.name}-p-{key.replace('/', '-')}"
    return subprocess.run(["ip", "netns", "exec", netns, "/usr/bin/python3", "-c", TALK, ip, str(PORT), str(patience_s)],
                          capture_output=True).returncode


def test_an_intruder_reaches_nobody_by_a_strict_pod_and_does_by_one_that_only_observes(mesh):
    loose = json.loads(pod("shop/loose", "east", SLEEP))
    loose["metadata"]["annotations"] = {"culvert.io/guard": "observe"}
    mesh.apply(json.dumps(loose))
    try:
        for ip in (*mesh.ips("plain/outside"), *mesh.ips("shop/web-west")):
            for key, reaches in (("shop/alpha", False), ("shop/loose", True)):
                source = mesh.ips(key)[":" in ip]
                with mesh.capture("node/east", f"tcp port {PORT} and src host {source}") as wire:
                    said = intruder(mesh, key, ip, 60 if reaches else 1.5)
                assert (said == 0, bool(wire.packets())) == (reaches, reaches), (key, ip, wire.packets())
        # Beside it the pod's own connections go on, in the mesh.
        for ip in mesh.ips("shop/web-west"):
            assert mesh.connect("shop/alpha", ip, PORT, "--send", "x")[0]["received"] == "x"
    finally:
        mesh.delete("Pod", "shop/loose")


HOLD = ("import socket, sys; s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 5); "
        "print(s.getsockname()[1], flush=True); sys.stdin.read()")


def test_a_connection_past_ztunnel_is_listed_by_culvert_sockets(mesh):
    loose = json.loads(pod("shop/loose", "east", SLEEP))
    loose["metadata"]["annotations"] = {"culvert.io/guard": "observe"}
    mesh.apply(json.dumps(loose))
    ip = next(ip for ip in mesh.ips("plain/outside") if ":" not in ip)
    own = next(ip for ip in mesh.ips("shop/loose") if ":" not in ip)
    try:
        with subprocess.Popen(["ip", "netns", "exec", f"cv-{mesh.name}-p-shop-loose", "/usr/bin/python3", "-c", HOLD, ip,
                               str(PORT)], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
            port = holder.stdout.readline().strip()
            (row,) = json.loads(sockets(mesh, "shop/loose", "-o", "json").stdout)
            assert row == {"node": "east", "pod": "shop/loose", "local": f"{own}:{port}", "remote": f"{ip}:{PORT}",
                           "state": "ESTAB", "uid": 0}
            assert f"{own}:{port}" in sockets(mesh, "-n", "shop").stdout
            assert sockets(mesh, "shop/alpha").stdout == "no connection goes past ztunnel\n"
            holder.stdin.close()
        nobody = sockets(mesh, "shop/losse", check=False)
        assert nobody.returncode == 1 and "did you mean shop/loose?" in nobody.stderr
    finally:
        mesh.delete("Pod", "shop/loose")


def sockets(mesh, *flags, check=True):
    return subprocess.run([CULVERT, "sockets", "--name", mesh.name, *flags], env=ENV, text=True, capture_output=True,
                          check=check)
