"""The lab of these tests, and what is counted in it.

Two nodes, each with a client pod (alpha in the east, beta in the west) and a server (web-east, web-west)
in the mesh; plain/bare (west) and plain/outside (east) are not. Service store has both servers.
"""
import json
import os
import pathlib
import re
import subprocess
import threading
import time

import machine
from lab import ENV, culvert, wait_until

PORT = 9000
VIP_PORTS = range(9001, 9011)  # of the Service, all to PORT: ten destinations
CLIENTS = {"east": "shop/alpha", "west": "shop/beta"}
SERVERS = {"east": "shop/web-east", "west": "shop/web-west"}
SILENT_S = 0.7
SLEEP = ["sleep", "100000"]


def pod(key, node, command, port=None):
    namespace, name = key.split("/")
    container = {"name": "c", "command": [str(word) for word in command]}
    if port:
        container["ports"] = [{"containerPort": port}]
    labels = {"app": "web"} if name.startswith("web-") else {"app": name}
    return json.dumps({"apiVersion": "v1", "kind": "Pod",
                       "metadata": {"name": name, "namespace": namespace, "labels": labels},
                       "spec": {"nodeName": node, "containers": [container]}})


def manifest(flood):
    serve = [flood, "serve", PORT]
    ports = [{"name": f"p{port}", "port": port, "targetPort": PORT} for port in (PORT, *VIP_PORTS)]
    objects = [json.dumps({"apiVersion": "v1", "kind": "Node", "metadata": {"name": node}})
               for node in CLIENTS]
    objects.append('{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", '
                   '"labels": {"istio.io/dataplane-mode": "ambient"}}}')
    objects += [pod(key, node, SLEEP) for node, key in CLIENTS.items()]
    objects += [pod(key, node, serve, PORT) for node, key in SERVERS.items()]
    objects += [pod("plain/bare", "west", SLEEP), pod("plain/outside", "east", serve, PORT)]
    objects.append(json.dumps({"apiVersion": "v1", "kind": "Service",
                               "metadata": {"name": "store", "namespace": "shop"},
                               "spec": {"selector": {"app": "web"}, "ports": ports}}))
    return "\n---\n".join(objects)


def vips(lab):
    """[IPv4, IPv6] of Service store, as a pod's hosts file has them."""
    found = lab.exec("shop/alpha", "getent", "ahosts", "store", check=True).stdout.split("\n")
    ips = sorted({line.split()[0] for line in found if line}, key=lambda ip: ":" in ip)
    assert ips, found
    return ips


class Flood:
    """apps/flood.c running in a pod: many short connections a second to some addresses."""

    def __init__(self, lab, flood, pod, ips, rate, seconds=600):
        self.process = lab.popen(pod, flood, "run", PORT, rate, seconds, *ips)
        self.last = {"ok": 0, "failed": 0}
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        for line in self.process.stdout:
            self.last = json.loads(line)

    def result(self):
        """Waits for its end."""
        self.thread.join(timeout=120)
        self.process.wait(timeout=60)
        assert self.last.get("done"), self.last
        return self.last

    def stop(self):
        self.process.terminate()
        return self.result()

    def flows(self, count=100):
        """Waits until so many more connections have succeeded, with none failed meanwhile."""
        start = dict(self.last)

        def steady():
            nonlocal start
            if self.last["failed"] != start["failed"]:
                start = dict(self.last)
            return self.last["ok"] >= start["ok"] + count

        wait_until(steady, f"{count} connections in a row", timeout=120)


def served(lab, key):
    """{"accepted", "bytes", "cut"} of a server, once it has been silent for a moment."""
    last, since = None, time.monotonic()
    while time.monotonic() - since < SILENT_S:
        lines = lab.log_lines(key)
        if not lines or lines[-1] != last:
            last, since = (lines[-1] if lines else None), time.monotonic()
        if last is None:
            return {"accepted": 0, "bytes": 0, "cut": 0}
        time.sleep(0.05)
    return last


def component(lab, name):
    return next(c for c in lab.status()["components"] if c["id"] == name)


def node_is_ready(lab, node):
    found = next(n for n in lab.status()["nodes"] if n["name"] == node)
    return found["agent_ready"] and found["ztunnel_ready"]


def entries(lab, map_name):
    """Entries of a capture map on both nodes."""
    rows = json.loads(culvert("maps", "list", "--lab", lab.name, "-o", "json").stdout)
    return {row["node"]: row["entries"] for row in rows if row["map"] == map_name}


def fds(pid):
    """Descriptors of a process, but for what it opens to answer and closes again."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def resident_kib(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status).group(1))


def sockets(lab, key):
    """TCP sockets of a pod that are neither closed nor in TIME_WAIT."""
    return len(lab.exec(key, "ss", "-Htan", "exclude", "time-wait", check=True).stdout.splitlines())


def as_kubelet(lab, node, ip, port=PORT):
    """Exit status of one exchange with a pod, from the node, by a process of the kubelet's cgroup."""
    cgroup = f"{machine.CGROUP2}/culvert/lab/{lab.name}/{node}/kubelet/cgroup.procs"
    code = ("import socket; s = socket.create_connection((%r, %d), 3); s.sendall(b'probe'); "
            "assert s.recv(5) == b'probe'" % (ip, port))

    def join():
        with open(cgroup, "w") as procs:
            procs.write("0")

    return subprocess.run(["ip", "netns", "exec", f"cv-{lab.name}-n-{node}", "/usr/bin/python3", "-c", code],
                          env=ENV, preexec_fn=join, capture_output=True).returncode


def with_payload(capture):
    """Lines of the capture that carry bytes."""
    return [line for line in capture.packets() if not re.search(r"length 0\b", line)]
