"""A daemon of ours under test: its processes, its logs, and its admin interface on a Unix socket."""
import contextlib
import http.client
import json
import signal
import socket
import subprocess

from lab import wait_until


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=60)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(self.path)


class Daemon:
    """Starts `command` as often as asked, one after the other; each start has a log of its own in `folder`."""

    def __init__(self, folder, admin, command):
        self.folder, self.admin, self.command = folder, admin, command
        self.processes = []

    def start(self, wait=True):
        with open(self.folder / f"log.{len(self.processes)}", "wb") as log:
            process = subprocess.Popen(self.command, stderr=log)
        self.processes.append(process)
        if wait:
            wait_until(lambda: process.poll() is not None or self.ready(), "readiness")
            assert process.poll() is None, self.log()
        return process

    def stop(self, how=signal.SIGTERM):
        self.processes[-1].send_signal(how)
        return self.processes[-1].wait(60)

    def log(self):
        return (self.folder / f"log.{len(self.processes) - 1}").read_text()

    def call(self, method, path, body=None):
        """(status, the JSON of the answer); a body that is not text is sent as JSON."""
        connection = UnixConnection(self.admin)
        with contextlib.closing(connection):
            connection.request(method, path, body if body is None or isinstance(body, str) else json.dumps(body))
            response = connection.getresponse()
            return response.status, json.loads(response.read())

    def ready(self):
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.call("GET", "/healthz/ready")[0] == 200
        return False

    def end(self):
        """Kills what still runs."""
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.wait()
