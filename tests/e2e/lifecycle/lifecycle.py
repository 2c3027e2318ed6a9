"""What these tests ask of a lab's processes, and do to them."""
import contextlib
import itertools
import json
import pathlib
import socket
import struct
import subprocess
import threading

from lab import wait_until

names = itertools.count()


def component(lab, name):
    return next(c for c in lab.status()["components"] if c["id"] == name)


def admin(lab, node, method, path, port=15000, status=False):
    """The body (or the status) of a request to the ztunnel of a node."""
    what = ["-o", "/dev/null", "-w", "%{http_code}"] if status else []
    return lab.exec(f"node/{node}", "curl", "-sS", "-m", "30", "-X", method, *what,
                    f"http://127.0.0.1:{port}{path}", check=True).stdout


def process_state(pid):
    """As ps(1) has it: R, S, T, Z ...; "gone" when there is none."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return "gone"
    return stat.rsplit(")", 1)[1].split()[0]


def alive(pid):
    return process_state(pid) not in ("gone", "Z", "X")


def ended(pid, within):
    wait_until(lambda: not alive(pid), f"the end of process {pid}", timeout=within)


def say(process, text):
    process.stdin.write(text + "\n")
    process.stdin.flush()


def lines_of(process):
    """The JSON lines up to the end of a process's output."""
    out = [json.loads(line) for line in process.stdout]
    process.wait(timeout=60)
    return out


@contextlib.contextmanager
def kept(mesh, client, server, port=8080):
    """A connection that stays open; called with words it gives the outcome of saying them."""
    name = f"kept-{next(names)}"
    got = mesh.flow(client, server, port, keep=name)
    assert got["outcome"] == "answered", got
    def say_on(text, **options):
        return mesh.rounds({client: [{"on": name, "text": text, **options}]})[client][0]["outcome"]
    yield say_on
    say_on("the last words", close=True)


ECHO = 9000  # the port of apps/flood.c's servers


def echo_pod(ns, name, node, programs):
    return f"""---
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: {ns}}}
spec:
  nodeName: {node}
  serviceAccountName: {name}
  containers: [{{name: c, command: [{programs["flood"]}, serve, "{ECHO}"], ports: [{{containerPort: {ECHO}}}]}}]
"""


class Program:
    """A program that runs in a pod and tells how it fares, a JSON line at a time."""

    def __init__(self, lab, pod, *argv):
        self.process, self.last, self.worst = lab.popen(pod, *argv), {}, 0
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        for line in self.process.stdout:
            self.last = json.loads(line)
            self.worst = max(self.worst, self.last.get("stall_ms", 0))

    def stop(self):
        """Its last line."""
        self.process.terminate()
        self.thread.join(timeout=60)
        self.process.wait(timeout=60)
        assert self.last.get("done"), self.last
        return self.last


class Steady(Program):
    """apps/steady.c: long connections, a line on each every so often."""

    def __init__(self, lab, programs, pod, ips, count, interval_ms):
        super().__init__(lab, pod, programs["steady"], ECHO, count, interval_ms, *ips)

    def wait_open(self, count):
        wait_until(lambda: self.last.get("open") == count, f"{count} open connections", timeout=120)
        assert self.last["failed"] == 0, self.last

    def rounds(self, count, interval_ms):
        """Waits until each connection has had so many more echoes."""
        target = self.last["echoed"] + count * self.last["open"]
        wait_until(lambda: self.last["echoed"] >= target, f"{target} lines", timeout=120 + count * interval_ms / 1000)


class Flood(Program):
    """apps/flood.c: many short connections a second."""

    def __init__(self, lab, programs, pod, ips, rate, seconds=600):
        super().__init__(lab, pod, programs["flood"], "run", ECHO, rate, seconds, *ips)

    def flows(self, count):
        """Waits until so many more connections have succeeded, with none failed meanwhile."""
        start = dict(self.last)

        def steady():
            nonlocal start
            if self.last.get("failed") != start.get("failed"):
                start = dict(self.last)
            return self.last.get("ok", 0) >= start.get("ok", 0) + count
        wait_until(steady, f"{count} connections in a row", timeout=120)


def draining(lab, node):
    """The node's ztunnels that a successor has followed."""
    return [c for c in lab.status()["components"] if c["id"].startswith(f"node/{node}/ztunnel/")]


def successor(lab, node):
    """Another ztunnel takes over; the process id of the one that drains from now on."""
    old = component(lab, f"node/{node}/ztunnel")["pid"]
    lab.restart(f"node/{node}", "ztunnel")
    assert component(lab, f"node/{node}/ztunnel")["pid"] not in (0, old)
    return old


def private_admin(lab, node, pid, method, path):
    socket = f"/run/culvert/lab/{lab.name}/nodes/{node}/ztunnel/draining/{pid}.admin"
    return subprocess.run(["curl", "-sS", "-X", method, "--unix-socket", socket, f"http://ztunnel{path}"],
                          text=True, capture_output=True, check=True).stdout


def supervisor_pid(lab):
    """Who answers on the lab's supervisor socket."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(f"/run/culvert/lab/{lab.name}/supervisor.sock")
        return struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
