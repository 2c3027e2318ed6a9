"""Where the demo reads its figures: the CLI, the logs, a packet capture, the kernel's maps."""
import json
import os
import pathlib
import re
import subprocess
import tempfile
import time

REPO = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("CULVERT_BIN_DIR", REPO / "build" / "bin"))
CULVERT = str(BIN / "culvert")
HBONE_PORT = 15008


class Failed(Exception):
    """Something that the demo needs did not happen; the text says what to do."""


def culvert(*args, check=True):
    done = subprocess.run([CULVERT, *args], text=True, capture_output=True, timeout=180)
    if check and done.returncode != 0:
        raise Failed(f"`culvert {' '.join(args)}` failed:\n{done.stdout}{done.stderr}")
    return done


class Lab:
    def __init__(self, name, manifest, mesh):
        self.name, self.manifest, self.mesh = name, manifest, mesh

    def __enter__(self):
        started = time.monotonic()
        culvert("lab", "up", "--name", self.name, *([] if self.mesh else ["--mesh=none"]), "-f",
                str(self.manifest))
        self.seconds = time.monotonic() - started
        return self

    def __exit__(self, *_):
        culvert("lab", "down", "--name", self.name, check=False)

    def status(self):
        return json.loads(culvert("lab", "status", "--name", self.name, "-o", "json", check=False).stdout)

    def exec(self, target, *argv):
        return subprocess.run([CULVERT, "lab", "exec", "--name", self.name, target, "--", *argv],
                              text=True, capture_output=True, timeout=60)

    def logs(self, target, *part):
        return culvert("lab", "logs", "--name", self.name, target, *part).stdout

    def counters(self):
        return json.loads(culvert("maps", "dump", "cv_counter", "--lab", self.name, "-o", "json").stdout)

    def accesses(self, node):
        """The access log of a node's ztunnel, a dict a line, newest last."""
        lines = []
        for line in self.logs(f"node/{node}", "ztunnel").splitlines():
            if "connection complete" not in line and "connection failed" not in line:
                continue
            fields = dict(re.findall(r'([\w.]+)=(?:"((?:[^"\\]|\\.)*)")', line))
            fields.update((k, v) for k, v in re.findall(r'([\w.]+)=([^"\s]+)', line) if k not in fields)
            lines.append(fields)
        return lines

    def accepted(self, pod):
        """What the application in a pod logged of its connections."""
        return [json.loads(line) for line in self.logs(pod).splitlines()
                if line.startswith("{") and '"accepted"' in line]


class Capture:
    """What passes a node's uplink while inside `with`."""

    def __init__(self, lab, node):
        self.lab, self.node = lab, node

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="culvert-demo-")
        self.path = pathlib.Path(self.folder.name) / "wire.pcap"
        self.process = subprocess.Popen(
            [CULVERT, "lab", "exec", "--name", self.lab.name, f"node/{self.node}", "--", "tcpdump", "-i",
             "eth0", "-U", "--immediate-mode", "-n", "-s", "0", "-Z", "root", "-w", str(self.path), "tcp"],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            if "listening on" in line:
                return self
        raise Failed("tcpdump did not start")

    def __exit__(self, *_):
        size = -1
        while (now := self.path.stat().st_size) != size:
            size = now
            time.sleep(0.2)
        self.process.terminate()
        self.process.communicate(timeout=10)
        self.bytes = self.path.read_bytes()
        text = subprocess.run(["tcpdump", "-n", "-q", "-r", str(self.path)], text=True, capture_output=True).stdout
        self.lines = text.splitlines()
        self.folder.cleanup()

    def ports(self, addresses):
        """Packets between two of the addresses, counted by server port (the lower of the two)."""
        counts = {}
        for line in self.lines:
            ends = re.search(r"IP6? (\S+)\.(\d+) > (\S+)\.(\d+):", line)
            if ends and ends[1] in addresses and ends[3] in addresses:
                port = min(int(ends[2]), int(ends[4]))
                counts[port] = counts.get(port, 0) + 1
        return counts
