"""A node and two pods as network namespaces, with a cgroup and a pin folder of their own."""
import ctypes
import json
import os
import pickle
import queue
import select
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time

BUILD = os.environ.get("CULVERT_BUILD", os.path.join(os.path.dirname(__file__), "../../../build"))
DRIVER = os.path.abspath(os.path.join(BUILD, "tests/e2e/capture/capture_driver"))
BPFTOOL = shutil.which("bpftool", path=os.environ["PATH"] + ":/usr/sbin:/sbin")
CLONE_NEWNET = 0x40000000
WAIT_S = 60

libc = ctypes.CDLL(None, use_errno=True)


def cgroup2_mount():
    with open("/proc/self/mountinfo") as f:
        for line in f:
            left, right = line.split(" - ")
            if right.split()[0] == "cgroup2":
                return left.split()[4]
    raise RuntimeError("no cgroup2 mount")


def enter_netns(name):
    with open(f"/run/netns/{name}") as f:
        if libc.setns(f.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")


def ip(*args, netns=None):
    command = ["ip"] + (["-n", netns] if netns else []) + list(args)
    subprocess.run(command, check=True, capture_output=True, text=True)


class Pod:
    def __init__(self, world, name, host):
        self.world, self.name = world, name
        self.netns = f"{world.prefix}-{name}"
        self.path = f"/run/netns/{self.netns}"
        self.v4, self.v6 = f"10.77.0.{host}", f"fd77::{host}"
        self.cgroup = f"{world.cgroup}/pods/{name}"


class World:
    def __init__(self):
        self.prefix = f"bpf-{os.getpid()}"
        self.cgroup = f"{cgroup2_mount()}/culvert-{self.prefix}"
        self.pins = f"/sys/fs/bpf/culvert_{self.prefix}"
        self.node = f"{self.prefix}-node"
        self.children, self.files = [], []
        self.a, self.b = Pod(self, "a", 2), Pod(self, "b", 3)

    def make(self):
        for folder in ("", "/system", "/kubelet", "/other", "/pods", "/pods/a", "/pods/b"):
            os.mkdir(self.cgroup + folder)
        ip("netns", "add", self.node)
        ip("link", "set", "lo", "up", netns=self.node)
        ip("link", "add", "br0", "type", "bridge", netns=self.node)
        ip("addr", "add", "10.77.0.1/24", "dev", "br0", netns=self.node)
        ip("addr", "add", "fd77::1/64", "dev", "br0", "nodad", netns=self.node)
        ip("link", "set", "br0", "up", netns=self.node)
        for pod in (self.a, self.b):
            ip("netns", "add", pod.netns)
            ip("link", "add", "eth0", "type", "veth", "peer", "name", pod.name, "netns", self.node, netns=pod.netns)
            ip("link", "set", "dev", pod.name, "master", "br0", "up", netns=self.node)
            ip("addr", "add", f"{pod.v4}/24", "dev", "eth0", netns=pod.netns)
            ip("addr", "add", f"{pod.v6}/64", "dev", "eth0", "nodad", netns=pod.netns)
            ip("link", "set", "lo", "up", netns=pod.netns)
            ip("link", "set", "eth0", "up", netns=pod.netns)
            ip("route", "add", "default", "via", "10.77.0.1", netns=pod.netns)
            ip("-6", "route", "add", "default", "via", "fd77::1", netns=pod.netns)

    def close(self):
        for child in self.children:
            child.kill()
            child.wait()
        for pins in (self.pins, self.pins + "_other"):
            if os.path.isdir(pins):
                subprocess.run([DRIVER, "unload", "--pin-dir", pins], check=True, capture_output=True)
        for name in (self.a.netns, self.b.netns, self.node):
            subprocess.run(["ip", "netns", "del", name], capture_output=True)
        for folder in ("/pods/b", "/pods/a", "/pods", "/other", "/kubelet", "/system", ""):
            remove_cgroup(self.cgroup + folder)
        for path in self.files:
            os.unlink(path)

    def agent(self, pins=None, **options):
        agent = Agent(self, pins or self.pins, options)
        self.children.append(agent)
        return agent

    def ztunnel(self, pod, mode="echo"):
        ztunnel = Ztunnel(self, pod, mode)
        self.children.append(ztunnel)
        return ztunnel

    def server(self, pod, host, port, family=None, reply=b"hello\n"):
        server = Server(self, pod, host, port, family, reply)
        self.children.append(server)
        return server

    def entries(self, name):
        """How many entries a pinned map has."""
        command = [BPFTOOL, "-j", "map", "dump", "pinned", f"{self.pins}/{name}"]
        return len(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))

    def call(self, netns, cgroup, function, *args):
        """Runs function(*args) in a child inside the namespace and cgroup; returns its result."""
        read_end, write_end = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                join(netns, cgroup)
                answer = ("ok", function(*args))
            except BaseException as error:  # carried to the parent
                answer = ("error", error)
            with os.fdopen(write_end, "wb") as out:
                pickle.dump(answer, out)
            os._exit(0)
        os.close(write_end)
        with os.fdopen(read_end, "rb") as result:
            data = result.read()
        os.waitpid(pid, 0)
        kind, value = pickle.loads(data)
        if kind == "error":
            raise value
        return value

    def in_pod(self, pod, function, *args):
        return self.call(pod.netns, pod.cgroup, function, *args)

    def on_node(self, function, *args, cgroup="other"):
        return self.call(self.node, f"{self.cgroup}/{cgroup}", function, *args)


def join(netns, cgroup):
    with open(f"{cgroup}/cgroup.procs", "w") as f:
        f.write("0")
    enter_netns(netns)


def remove_cgroup(path):
    for _ in range(3000):
        try:
            return os.rmdir(path)
        except FileNotFoundError:
            return None
        except OSError:
            time.sleep(0.02)
    raise RuntimeError(f"cgroup {path} is still busy")


class Child:
    """A driver process that prints JSON lines."""

    def __init__(self, world, args):
        self.lines = queue.Queue()
        self.process = subprocess.Popen([DRIVER] + args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        preexec_fn=lambda: self._move(world))
        threading.Thread(target=self._read, daemon=True).start()

    @staticmethod
    def _move(world):
        with open(f"{world.cgroup}/system/cgroup.procs", "w") as f:
            f.write("0")

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(json.loads(line))

    def next(self, timeout=WAIT_S):
        return self.lines.get(timeout=timeout)

    def kill(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.wait()

    def wait(self):
        self.process.wait()
        self.process.stdin.close()


class Agent(Child):
    def __init__(self, world, pins, options):
        args = ["agent", "--pin-dir", pins, "--cgroup", options.pop("cgroup", world.cgroup),
                "--kubelet-cgroup", f"{world.cgroup}/kubelet"]
        for name, value in options.items():
            args += [f"--{name.replace('_', '-')}", value]
        super().__init__(world, args)
        self.answer = self.next()

    def ask(self, *words):
        self.process.stdin.write(" ".join(words) + "\n")
        self.process.stdin.flush()
        return self.next()

    def enroll(self, pod, *ips):
        answer = self.ask("enroll", pod.path, *(ips or (pod.v4, pod.v6)))
        assert "cookie" in answer, answer
        return answer["cookie"]

    def unenroll(self, pod):
        assert self.ask("unenroll", pod.path) == {}


class Ztunnel(Child):
    def __init__(self, world, pod, mode):
        super().__init__(world, ["ztunnel", "--pin-dir", world.pins, "--netns", pod.path, "--mode", mode])
        assert self.next() == {"ready": True}


class Server:
    """An application that logs what it is told of each connection, greets, and echoes."""

    def __init__(self, world, pod, host, port, family, reply):
        family = family or (socket.AF_INET6 if ":" in host else socket.AF_INET)
        handle, self.log = tempfile.mkstemp(prefix="culvert-bpf-")
        os.close(handle)
        world.files.append(self.log)
        read_end, write_end = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(read_end)
            try:
                join(pod.netns, pod.cgroup)
                serve(family, host, port, reply, self.log, write_end)
            finally:
                os._exit(1)
        os.close(write_end)
        with os.fdopen(read_end, "rb") as ready:
            assert ready.read(1) == b"r", "the server did not start"

    def entries(self):
        with open(self.log) as f:
            return [json.loads(line) for line in f]

    def kill(self):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)

    def wait(self):
        if self.pid:
            os.waitpid(self.pid, 0)
        self.pid = None


def serve(family, host, port, reply, log, ready):
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6 and host == "::":
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    listener.bind((host, port))
    listener.listen(1024)
    os.write(ready, b"r")
    os.close(ready)
    while True:
        connection, address = listener.accept()
        entry = {"accept": list(address[:2]), "peer": list(connection.getpeername()[:2]),
                 "local": list(connection.getsockname()[:2])}
        with open(log, "a") as f:
            f.write(json.dumps(entry) + "\n")
        connection.sendall(reply)
        connection.close()


def connect(host, port, family=None, bind=None, timeout=5.0):
    """What an application sees of one connection: errno, or addresses and the first bytes."""
    family = family or (socket.AF_INET6 if ":" in host else socket.AF_INET)
    s = socket.socket(family)
    s.settimeout(timeout)
    try:
        if bind:
            s.bind(bind)
        s.connect((host, port))
        peer, local = s.getpeername()[:2], s.getsockname()[:2]
        data = s.recv(4096).decode()
        return {"errno": 0, "peer": peer, "local": local, "data": data}
    except OSError as error:
        return {"errno": error.errno or "timeout"}
    finally:
        s.close()


class Wire:
    """All TCP segments that cross the node's bridge ports, as (source, target, port, syn, payload)."""

    def __init__(self, world):
        self.segments, self._stop = [], threading.Event()
        self.sockets = []
        ready = threading.Event()
        self.thread = threading.Thread(target=self._run, args=(world, ready), daemon=True)
        self.thread.start()
        assert ready.wait(WAIT_S)

    def _run(self, world, ready):
        enter_netns(world.node)  # this thread only
        for port in ("a", "b"):
            s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            s.bind((port, 0))
            self.sockets.append(s)
        ready.set()
        while (some := select.select(self.sockets, [], [], 0.05)[0]) or not self._stop.is_set():
            for s in some:
                segment = parse_segment(s.recv(65536))
                if segment:
                    self.segments.append(segment)

    def stop(self):
        """Segments that open a connection or carry data, seen until now."""
        time.sleep(0.2)
        self._stop.set()
        self.thread.join()
        for s in self.sockets:
            s.close()
        return [s for s in self.segments if s[3] or s[4]]


def parse_segment(frame):
    kind = struct.unpack("!H", frame[12:14])[0]
    if kind == 0x0800 and frame[23] == 6:
        start = 14 + (frame[14] & 15) * 4
        end = 14 + struct.unpack("!H", frame[16:18])[0]
        source, target = (socket.inet_ntop(socket.AF_INET, frame[n:n + 4]) for n in (26, 30))
    elif kind == 0x86DD and frame[20] == 6:
        start, end = 54, 54 + struct.unpack("!H", frame[18:20])[0]
        source, target = (socket.inet_ntop(socket.AF_INET6, frame[n:n + 16]) for n in (22, 38))
    else:
        return None
    flags, header = frame[start + 13], (frame[start + 12] >> 4) * 4
    port = struct.unpack("!H", frame[start + 2:start + 4])[0]
    return source, target, port, bool(flags & 2), frame[start + header:end]
