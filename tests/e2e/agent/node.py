"""A node under test: culvert-agent in a cgroup and folders of its own, pods as bare network namespaces,
and a ztunnel made of a plain socket."""
import array
import contextlib
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

BUILD = pathlib.Path(os.environ.get("CULVERT_BUILD", pathlib.Path(__file__).parents[3] / "build"))
AGENT = BUILD / "agent" / "culvert-agent"


def wait_until(condition, seconds=10, what="condition"):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError(f"{what} did not come true within {seconds} s")


def cgroup2():
    for line in open("/proc/self/mountinfo"):
        left, right = line.split(" - ")
        if right.split()[0] == "cgroup2":
            return pathlib.Path(left.split()[4])
    raise AssertionError("no cgroup2 is mounted")


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=20)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(self.path)


class Ztunnel:
    """Speaks ZDS by hand: receives requests with their descriptors, answers when told to."""

    def __init__(self, path, hello=b"\x08\x01"):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.sock.settimeout(10)
        self.sock.connect(str(path))
        self.sock.send(hello)

    def receive(self, timeout=10):
        """(packet, number of descriptors); descriptors are closed at once."""
        self.sock.settimeout(timeout)
        packet, fds, _, _ = socket.recv_fds(self.sock, 1024, 4)
        inodes = [os.fstat(fd).st_ino for fd in fds]
        for fd in fds:
            os.close(fd)
        return packet, inodes

    def ack(self, error=b""):
        inner = (b"\x0a" + bytes([len(error)]) + error) if error else b""
        self.sock.send(b"\x0a" + bytes([len(inner)]) + inner)

    def take(self):
        request = self.receive()
        self.ack()
        return request

    def snapshot(self):
        """Everything up to SnapshotSent, acked."""
        out = []
        while (request := self.take())[0] != SNAPSHOT_SENT:
            out.append(request)
        return out

    def silent(self, seconds=0.3):
        with contextlib.suppress(TimeoutError):
            return self.receive(seconds) == ()
        return True

    def close(self):
        self.sock.close()


SNAPSHOT_SENT = b"\x1a\x00"


def field(number, value):
    return bytes([number << 3 | 2, len(value)]) + value


def add_packet(pod):
    info = field(1, pod["name"].encode()) + field(2, pod["namespace"].encode()) + \
        field(3, pod["service_account"].encode())
    return field(1, field(1, pod["uid"].encode()) + field(2, info))


def del_packet(uid):
    return field(2, field(2, uid.encode()))


class Node:
    """Owns everything it makes, by a prefix of its own; close() takes all of it away."""

    def __init__(self):
        self.prefix = f"control{os.getpid()}"
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="culvert_agent."))
        self.cgroup = cgroup2() / f"culvert-{self.prefix}"
        self.cgroup.mkdir()
        self.pins = pathlib.Path("/sys/fs/bpf") / f"culvert-{self.prefix}"
        self.admin, self.zds = self.folder / "agent.sock", self.folder / "zds.sock"
        self.state = self.folder / "state"
        self.namespaces, self.agents = [], []

    def start(self, wait=True):
        log = open(self.folder / f"agent.{len(self.agents)}.log", "wb")
        agent = subprocess.Popen(
            [AGENT, "run", "--node", "n1", "--bpf-dir", self.pins, "--cgroup", self.cgroup, "--admin-socket",
             self.admin, "--zds-socket", self.zds, "--state-dir", self.state], stderr=log)
        self.agents.append(agent)
        if wait:
            wait_until(lambda: agent.poll() is not None or self.ready(), what="readiness")
            assert agent.poll() is None, self.log()
        return agent

    def stop(self, how=signal.SIGTERM):
        self.agents[-1].send_signal(how)
        return self.agents[-1].wait(10)

    def log(self):
        return (self.folder / f"agent.{len(self.agents) - 1}.log").read_text()

    def ready(self):
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.call("GET", "/healthz/ready")[0] == 200
        return False

    def call(self, method, path, body=None):
        connection = UnixConnection(self.admin)
        connection.request(method, path, body if body is None or isinstance(body, str) else json.dumps(body))
        response = connection.getresponse()
        return response.status, json.loads(response.read())

    def namespace(self, name):
        name = f"cv-{self.prefix}-{name}"
        subprocess.run(["ip", "netns", "add", name], check=True)
        self.namespaces.append(name)
        return f"/run/netns/{name}"

    def delete_namespace(self, path):
        name = os.path.basename(path)
        self.namespaces.remove(name)
        subprocess.run(["ip", "netns", "del", name], check=True)

    def pod(self, uid, netns=None, **other):
        return {"uid": uid, "namespace": "shop", "name": f"web-{uid}", "service_account": "web",
                "netns": netns or self.namespace(uid), "ips": ["10.78.0.5", "fd78::5"]} | other

    def enroll(self, pod, wait_ms=0):
        return self.call("POST", f"/pods?wait_ms={wait_ms}", pod)

    def pods(self):
        return {p["uid"]: p for p in self.call("GET", "/pods")[1]}

    def linked(self):
        """Cookies of the namespaces that have a pinned link."""
        return {int(p.name) for p in (self.pins / "pods").iterdir()}

    def close(self):
        for agent in self.agents:
            if agent.poll() is None:
                agent.kill()
                agent.wait()
        subprocess.run([AGENT, "unload", "--bpf-dir", self.pins], stdout=subprocess.DEVNULL)
        for name in self.namespaces:
            subprocess.run(["ip", "netns", "del", name], check=False)
        with contextlib.suppress(OSError):
            self.pins.rmdir()
        self.cgroup.rmdir()
        shutil.rmtree(self.folder)
