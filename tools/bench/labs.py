"""The labs of the bench: the same nodes and pods, with the mesh and without, and programs in them."""
import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import tempfile

import priority

REPO = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("CULVERT_BIN_DIR", REPO / "build" / "bin"))
CULVERT, BENCH = str(BIN / "culvert"), str(BIN / "culvert-bench")
ENV = dict(os.environ, CULVERT_BIN_DIR=str(BIN), NO_COLOR="1")
PORT = 8080
CLI_TIMEOUT_S = 300
PREFIX = "bench"


class Failed(Exception):
    """Something that the bench needs did not happen; the text says what."""


def culvert(*args, check=True):
    done = subprocess.run([CULVERT, *map(str, args)], env=ENV, text=True, capture_output=True, timeout=CLI_TIMEOUT_S,
                          start_new_session=True)
    if check and done.returncode != 0:
        raise Failed(f"`culvert {' '.join(map(str, args))}` failed:\n{done.stdout}{done.stderr}")
    return done


def pod(ns, name, node, command, account=None):
    ready = f"ports: [{{containerPort: {PORT}}}]" if "serve" in command else "ports: []"
    return f"""---
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: {ns}, labels: {{app: {name}}}}}
spec:
  nodeName: {node}
  serviceAccountName: {account or name}
  containers:
  - name: c
    command: {json.dumps(command)}
    {ready}
"""


SERVE, SLEEP = [BENCH, "serve", str(PORT)], ["sleep", "1000000"]
NODES = "".join(f"---\napiVersion: v1\nkind: Node\nmetadata: {{name: {name}}}\n" for name in ("east", "west"))
NAMESPACE = ("---\napiVersion: v1\nkind: Namespace\n"
             "metadata: {name: mesh, labels: {istio.io/dataplane-mode: ambient}}\n")
# mesh/client talks to mesh/far on the other node and mesh/near on its own; the pods of `plain` are not in the mesh. Many idle
# connections are held by mesh/client and mesh/second together.
WORLD = NODES + NAMESPACE + "".join([
    pod("mesh", "client", "east", SLEEP), pod("mesh", "second", "east", SLEEP, account="client"),
    pod("mesh", "near", "east", SERVE), pod("mesh", "far", "west", SERVE),
    pod("plain", "client", "east", SLEEP), pod("plain", "far", "west", SERVE)])


class Lab:
    """A lab that is up inside `with`. Its name has our process id: two runs do not meet."""

    def __init__(self, word, yaml=WORLD, mesh=True, flags=()):
        self.name, self.yaml, self.mesh, self.flags = f"{PREFIX}-{os.getpid()}-{word}", yaml, mesh, list(flags)

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="culvert-bench-")
        try:
            manifest = self.file("world.yaml", self.yaml)
            mesh = [] if self.mesh else ["--mesh=none"]
            culvert("lab", "up", "--name", self.name, *mesh, *self.flags, "-f", manifest)
            priority.apply(priority.cgroup_pids(f"culvert/lab/{self.name}"))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        culvert("lab", "down", "--name", self.name, check=False)
        self.folder.cleanup()

    def file(self, name, text):
        path = pathlib.Path(self.folder.name) / name
        path.write_text(text)
        return path

    def status(self):
        return json.loads(culvert("lab", "status", "--name", self.name, "-o", "json", check=False).stdout)

    def ip(self, key):
        """The IPv4 address of pod "NS/NAME"."""
        for one in self.status()["pods"]:
            if f"{one['namespace']}/{one['name']}" == key:
                return next(ip for ip in one["ips"] if ":" not in ip)
        raise KeyError(key)

    def vip(self, key):
        """The IPv4 address of Service "NS/NAME"."""
        for one in self.status()["services"]:
            if f"{one['namespace']}/{one['name']}" == key:
                return next(ip for ip in one["cluster_ips"] if ":" not in ip)
        raise KeyError(key)

    def container_pid(self, key):
        """Of the first container of pod "NS/NAME"."""
        return next(one["processes"][0]["pid"] for one in self.status()["pods"]
                    if f"{one['namespace']}/{one['name']}" == key)

    def pid(self, component):
        """Of "node/east/ztunnel"."""
        return next(one["pid"] for one in self.status()["components"] if one["id"] == component)

    def unload(self, pins):
        """Takes all of a node's capture out of the kernel; its agent does not run."""
        subprocess.run([str(BIN / "culvert-agent"), "unload", "--bpf-dir", pins], check=True, capture_output=True,
                       timeout=CLI_TIMEOUT_S)

    def popen(self, target, *argv, **options):
        """A program in a pod or node. The command replaces itself by it, so that its pid is the program's; a
        group of its own, so that ^C reaches us alone and we end it."""
        process = subprocess.Popen([CULVERT, "lab", "exec", "--name", self.name, target, "--", *map(str, argv)],
                                   env=ENV, text=True, start_new_session=True, **options)
        priority.apply([process.pid])
        return process


@contextlib.contextmanager
def ended(process):
    """Ends a process of ours at the latest at the end of the block."""
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
        process.wait()


def load(lab, client, *argv, timeout):
    """One run of culvert-bench in a pod; its result. A byte that arrived differently ends the bench."""
    process = lab.popen(client, BENCH, *argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with ended(process):
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            raise Failed(f"culvert-bench {' '.join(map(str, argv))} has not ended after {timeout} s") from None
    if process.returncode == 3:
        raise Failed(f"bytes were changed on the way: culvert-bench {' '.join(map(str, argv))} from {client} in "
                     f"{lab.name}: {out}")
    if process.returncode != 0:
        raise Failed(f"culvert-bench {' '.join(map(str, argv))} from {client} in {lab.name} ended with "
                     f"{process.returncode}: {out}{err}")
    return json.loads(out)


def remove_left_overs():
    """Takes down labs of earlier benches whose process is gone (they were killed)."""
    for netns in pathlib.Path("/run/culvert/lab").glob(f"{PREFIX}-*"):
        match = re.fullmatch(rf"{PREFIX}-(\d+)-\w+", netns.name)
        if match and not pathlib.Path(f"/proc/{match[1]}").exists():
            culvert("lab", "down", "--name", netns.name, check=False)
