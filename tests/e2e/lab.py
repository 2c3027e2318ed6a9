"""Labs for the end-to-end tests: a class Lab around `culvert lab`, and captures on its links.

    with Lab("shop", SHOP_YAML) as lab:
        assert lab.exec("shop/web", "curl", "-s", "http://catalog:8080/").returncode == 0
"""
import contextlib
import json
import os
import pathlib
import random
import re
import signal
import socket
import subprocess
import tempfile
import time

REPO = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("CULVERT_BUILD", REPO / "build"))
APPS = pathlib.Path(__file__).resolve().parent / "apps"
ENV = dict(os.environ, CULVERT_BIN_DIR=str(BUILD / "bin"), NO_COLOR="1")
CULVERT = str(BUILD / "bin" / "culvert")


def culvert(*args, check=True, timeout=180, stdin=None):
    """Runs the CLI; a failure shows what it said."""
    done = subprocess.run([CULVERT, *map(str, args)], env=ENV, text=True, capture_output=True,
                          timeout=timeout, input=stdin)
    if check and done.returncode != 0:
        raise AssertionError(f"culvert {' '.join(map(str, args))} ended with {done.returncode}:\n"
                             f"{done.stdout}{done.stderr}")
    return done


def wait_until(condition, what, timeout=60):
    """Polls until condition() is true and returns its value; fails with `what` after `timeout`."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"not within {timeout} s: {what}"
        time.sleep(0.02)


def free_port():
    """Of this machine, at which nobody listens; not one that the kernel gives to connections, so that it stays free."""
    while True:
        with socket.socket(socket.AF_INET6) as one:
            with contextlib.suppress(OSError):
                one.bind(("::", random.randrange(20_000, 32_000)))
                return one.getsockname()[1]


class Lab:
    """A lab that is up inside `with`, and down afterwards. `yaml` is text or a pathlib.Path."""

    def __init__(self, name, yaml, mesh=True, flags=()):
        self.name, self.yaml, self.mesh, self.flags = name, yaml, mesh, list(flags)
        self.folder, self.written = None, 0

    def __enter__(self):
        try:
            self.up()
        except AssertionError:
            raise  # `lab up` removed what it made; a lab that had the name before is not ours to remove
        except BaseException:  # cut short
            self.down(check=False)
            raise
        return self

    def __exit__(self, *_):
        self.down()
        if self.folder:
            self.folder.cleanup()

    def path(self, yaml):
        """A file with this text; it lives as long as the lab, whose pods start in its folder."""
        if isinstance(yaml, pathlib.Path):
            return yaml
        self.folder = self.folder or tempfile.TemporaryDirectory(prefix="culvert-e2e-")
        self.written += 1
        path = pathlib.Path(self.folder.name) / f"manifest-{self.written}.yaml"
        path.write_text(yaml)
        return path

    def command(self, word, *args, **options):
        return culvert("lab", word, "--name", self.name, *args, **options)

    def up(self):
        mesh = [] if self.mesh else ["--mesh=none"]
        return self.command("up", *mesh, *self.flags, "-f", self.path(self.yaml))

    def down(self, check=True):
        return self.command("down", check=check)

    def apply(self, yaml, check=True):
        return self.command("apply", "-f", self.path(yaml), check=check)

    def delete(self, *what, check=True):
        """delete("Pod", "shop/web")"""
        return self.command("delete", *what, check=check)

    def kill(self, target, component=None, hold=False):
        return self.command("kill", target, *([component] if component else []),
                            *(["--hold"] if hold else []))

    def restart(self, target, component=None):
        return self.command("restart", target, *([component] if component else []))

    def logs(self, target, part=None):
        return self.command("logs", target, *([part] if part else [])).stdout

    def log_lines(self, target, part=None):
        """The JSON lines that an app of tests/e2e/apps wrote."""
        lines = self.logs(target, part).splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def status(self):
        return json.loads(self.command("status", "-o", "json", check=False).stdout)

    def pod(self, key):
        """The status of pod "NS/NAME"."""
        for pod in self.status()["pods"]:
            if f"{pod['namespace']}/{pod['name']}" == key:
                return pod
        raise KeyError(key)

    def ips(self, key):
        """(IPv4, IPv6) of a pod."""
        ips = self.pod(key)["ips"]
        return (next((ip for ip in ips if ":" not in ip), None),
                next((ip for ip in ips if ":" in ip), None))

    def exec(self, target, *argv, timeout=180, check=False, **options):
        done = subprocess.run(self.exec_argv(target, *argv), env=ENV, text=True, timeout=timeout,
                              capture_output=True, **options)
        if check and done.returncode != 0:
            raise AssertionError(f"{argv} in {target} ended with {done.returncode}:\n"
                                 f"{done.stdout}{done.stderr}")
        return done

    def exec_argv(self, target, *argv):
        return [CULVERT, "lab", "exec", "--name", self.name, target, "--", *map(str, argv)]

    def popen(self, target, *argv, **options):
        options.setdefault("stdout", subprocess.PIPE)
        options.setdefault("text", True)
        return subprocess.Popen(self.exec_argv(target, *argv), env=ENV, **options)

    def curl(self, target, url, *flags):
        """(exit status, body) of curl in a pod."""
        done = self.exec(target, "curl", "-sS", "--max-time", "30", *flags, url)
        return done.returncode, done.stdout or done.stderr

    def connect(self, target, host, port, *flags):
        """What tcp_client.py prints, as values."""
        done = self.exec(target, "python3", APPS / "tcp_client.py", host, port, *flags)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def capture(self, target, *expression, interface="any"):
        """Packets of a pod's or a node's netns ("shop/web", "node/east") while inside `with`."""
        return Capture(self, target, expression, interface)


class Capture:
    """tcpdump in a netns of the lab; `bytes` is the pcap file once it has ended."""

    def __init__(self, lab, target, expression, interface):
        self.lab, self.target, self.interface = lab, target, interface
        self.expression, self.bytes = list(expression), b""

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="culvert-e2e-")
        self.path = pathlib.Path(self.folder.name) / "capture.pcap"
        # -Z root: the folder is root's; -U: each packet is written at once.
        argv = ["tcpdump", "-i", self.interface, "-U", "--immediate-mode", "-n", "-s", "0", "-B", "8192", "-Z", "root",
                "-w", str(self.path), *self.expression]
        self.process = self.lab.popen(self.target, *argv, stdout=subprocess.DEVNULL,
                                      stderr=subprocess.PIPE)
        for line in self.process.stderr:
            if "listening on" in line:
                return self
        raise AssertionError(f"tcpdump did not start in {self.target}")

    def __exit__(self, *_):
        self.settle()
        self.process.terminate()
        self.summary = self.process.stderr.read()
        self.process.wait(timeout=60)
        self.bytes = self.path.read_bytes()
        self.text = subprocess.run(["tcpdump", "-n", "-r", str(self.path)], text=True,
                                   capture_output=True).stdout
        self.folder.cleanup()
        dropped = re.search(r"(\d+) packets? dropped by kernel", self.summary)
        assert not dropped or dropped.group(1) == "0", self.summary

    def settle(self):
        """tcpdump drops what it has not read when it ends, so waits until it has read all that the kernel has for it.

        Where the kernel counts packets twice, as on the loopback device: until nothing came for a second."""
        last, quiet, end = None, 0, time.monotonic() + 60
        while quiet < 10:
            assert time.monotonic() < end, "what is captured never ends"
            self.process.send_signal(signal.SIGUSR1)  # it tells its counts
            line = self.process.stderr.readline()
            captured, received, dropped = map(int, re.findall(r"(\d+) packets? ", line))
            if captured + dropped >= received:
                return
            quiet = quiet + 1 if (captured, received) == last else 0
            last = captured, received
            time.sleep(0.1)

    def packets(self):
        """One line of tcpdump's text a packet."""
        return self.text.splitlines()
