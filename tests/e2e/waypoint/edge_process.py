"""The waypoint's HTTP connections in a process of their own (tests/bench/http_edge.cpp), without mesh and routes,
and an origin that keeps what it is sent."""
import contextlib
import socket
import subprocess
import threading
import time

from lab import BUILD, free_port

PROGRAM = BUILD / "tests/bench/bench_http_edge"
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


def wait_for(port):
    for _ in range(2400):
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"nothing listens on port {port}")


@contextlib.contextmanager
def edge(*args):
    """Gives its port; its log is checked to be orderly at the end."""
    port = free_port()
    process = subprocess.Popen([PROGRAM, "--port", str(port), *map(str, args)], stderr=subprocess.PIPE, text=True)
    log = []
    reader = threading.Thread(target=lambda: log.extend(process.stderr), daemon=True)
    reader.start()
    try:
        wait_for(port)
        yield port, log
        assert process.poll() is None, "".join(log)
    finally:
        process.terminate()
        process.wait()
        reader.join()


class Origin:
    """Answers every request without a look at its body; `seen` is all that came, by connection."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.seen = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                self.seen.append(b"")
                threading.Thread(target=self.serve, args=(connection, len(self.seen) - 1), daemon=True).start()

    def serve(self, connection, at):
        answered = 0
        with connection, contextlib.suppress(OSError):
            while part := connection.recv(65536):
                self.seen[at] += part
                heads = self.seen[at].count(b"\r\n\r\n")
                connection.sendall(ANSWER * (heads - answered))
                answered = heads


def talk(port, said, timeout=60):
    """What comes until the server closes; None behind it where it did not within the time."""
    heard = b""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as s:
        s.sendall(said)
        while True:
            try:
                part = s.recv(65536)
            except TimeoutError:
                return heard, False
            except ConnectionResetError:
                return heard, True
            if not part:
                return heard, True
            heard += part
