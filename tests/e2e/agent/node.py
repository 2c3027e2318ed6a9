"""A node under test: culvert-agent in a cgroup and folders of its own, pods as bare network namespaces,
and a ztunnel made of a plain socket."""
import contextlib
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile

from daemon import Daemon
from lab import BUILD
from machine import CGROUP2

AGENT = BUILD / "agent" / "culvert-agent"


class Ztunnel:
    """Speaks ZDS by hand: receives requests with their descriptors, answers when told to."""

    def __init__(self, path, hello=b"\x08\x01"):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.sock.settimeout(60)
        self.sock.connect(str(path))
        self.sock.send(hello)

    def receive(self, timeout=60):
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


class Node(Daemon):
    """Owns everything it makes, by a prefix of its own; close() takes all of it away."""

    def __init__(self):
        self.prefix = f"control{os.getpid()}"
        folder = pathlib.Path(tempfile.mkdtemp(prefix="culvert_agent."))
        self.cgroup = pathlib.Path(CGROUP2) / f"culvert-{self.prefix}"
        self.cgroup.mkdir()
        self.pins = pathlib.Path("/sys/fs/bpf") / f"culvert-{self.prefix}"
        self.zds, self.state = folder / "zds.sock", folder / "state"
        admin = folder / "agent.sock"
        super().__init__(folder, admin, [
            AGENT, "run", "--node", "n1", "--bpf-dir", self.pins, "--cgroup", self.cgroup, "--admin-socket", admin,
            "--zds-socket", self.zds, "--state-dir", self.state])
        self.namespaces = []

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
        self.end()
        subprocess.run([AGENT, "unload", "--bpf-dir", self.pins], stdout=subprocess.DEVNULL)
        for name in self.namespaces:
            subprocess.run(["ip", "netns", "del", name], check=False)
        with contextlib.suppress(OSError):
            self.pins.rmdir()
        self.cgroup.rmdir()
        shutil.rmtree(self.folder)
