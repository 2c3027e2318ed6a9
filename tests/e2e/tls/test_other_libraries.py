"""lib/tls with each of its record layers against Python's ssl, Go's crypto/tls and openssl(1)."""
import os
import pathlib
import socket
import ssl
import subprocess
import threading

import pytest

PEER = pathlib.Path(os.environ.get("CULVERT_BUILD", "build"), "tests/e2e/tls/tls_peer").absolute()
HERE = pathlib.Path(__file__).parent
PATIENCE_S = 60
SIZE = 3_000_001
OURS, THEIRS = "spiffe://cluster.local/ns/shop/sa/web", "spiffe://cluster.local/ns/shop/sa/db"


def openssl(*argv):
    done = subprocess.run(["openssl", *map(str, argv)], text=True, capture_output=True)
    assert done.returncode == 0, f"openssl {argv}: {done.stderr}"


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """cert.pem and key.pem are ours, peer-*.pem the other library's, root.pem signed both."""
    out = tmp_path_factory.mktemp("certificates")
    new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl("req", "-x509", *new_key, "-subj", "/O=root", "-days", "2", "-keyout", out / "root.key",
            "-out", out / "root.pem")
    for name, identity in (("", OURS), ("peer-", THEIRS)):
        openssl("req", "-new", *new_key, "-subj", "/", "-keyout", out / f"{name}key.pem", "-out", out / "request.pem")
        (out / "extensions").write_text(f"subjectAltName=critical,URI:{identity}\nbasicConstraints=CA:FALSE\n"
                                        "keyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\n")
        openssl("x509", "-req", "-in", out / "request.pem", "-CA", out / "root.pem", "-CAkey", out / "root.key",
                "-days", "1", "-extfile", out / "extensions", "-out", out / f"{name}cert.pem")
    return out


@pytest.fixture(scope="session")
def go_peer(tmp_path_factory):
    program = tmp_path_factory.mktemp("go") / "echo"
    done = subprocess.run(["go", "build", "-o", program, HERE / "echo.go"], text=True, capture_output=True,
                          env=dict(os.environ, GO111MODULE="off", CGO_ENABLED="0"))
    assert done.returncode == 0, done.stderr
    return program


@pytest.fixture(params=["own", "openssl"])
def records(request):
    return request.param


class Serving:
    """A server process that prints "port N"; its later lines by line()."""

    def __init__(self, *argv, **more):
        self.process = subprocess.Popen([str(a) for a in argv], stdout=subprocess.PIPE, text=True, **more)
        words = self.line().split()
        assert words[:1] == ["port"], words
        self.port = int(words[1])

    def line(self):
        timer = threading.Timer(PATIENCE_S, self.process.kill)
        timer.start()
        try:
            return self.process.stdout.readline().strip()
        finally:
            timer.cancel()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def our_server(folder, records):
    return Serving(PEER, "server", folder, records)


def our_client(folder, records, port, size=SIZE):
    done = subprocess.run([PEER, "client", folder, records, str(port), str(size)], text=True, capture_output=True,
                          timeout=PATIENCE_S)
    return done.stdout.strip()


def python_context(folder, purpose):
    context = ssl.create_default_context(purpose, cafile=folder / "root.pem")
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(folder / "peer-cert.pem", folder / "peer-key.pem")
    context.set_alpn_protocols(["h2"])
    return context


def pattern(size):
    return bytes(i * 31 >> 3 & 255 for i in range(size))


def call_from_python(folder, port, data):
    """Sends all of it in odd pieces, each echoed, and ends by close_notify both ways."""
    got, at, size = bytearray(), 0, 1
    with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as plain:
        with python_context(folder, ssl.Purpose.SERVER_AUTH).wrap_socket(plain) as tls:
            while at < len(data):
                tls.sendall(data[at:at + size])
                at, size = at + size, size * 3 % 70_001 + 1
                while len(got) < min(at, len(data)):
                    part = tls.recv(65536)
                    assert part
                    got += part
            tls.unwrap()
    return bytes(got)


def test_python_calls_our_server(folder, records):
    data = pattern(300_001)
    with our_server(folder, records) as server:
        assert call_from_python(folder, server.port, data) == data
        assert server.line() == "echoed: in order"


def test_we_call_a_python_server_that_sends_tickets(folder, records):
    context = python_context(folder, ssl.Purpose.CLIENT_AUTH)
    context.num_tickets = 8
    failures = []

    def serve():
        try:
            with context.wrap_socket(listener.accept()[0], server_side=True) as conn:
                while data := conn.recv(65536):
                    conn.sendall(data)
                conn.unwrap()
        except OSError as error:
            failures.append(error)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        assert our_client(folder, records, listener.getsockname()[1]) == "called: in order"
        thread.join(PATIENCE_S)
    # Our process ended without waiting for the server's close_notify.
    assert not [f for f in failures if not isinstance(f, (ConnectionError, ssl.SSLEOFError))]


def test_go_calls_our_server(folder, records, go_peer):
    with our_server(folder, records) as server:
        done = subprocess.run([go_peer, "client", folder, str(server.port), str(SIZE)], text=True, capture_output=True,
                              timeout=PATIENCE_S)
        assert done.stdout.strip() == f"same {SIZE}"
        assert server.line() == "echoed: in order"


def test_we_call_a_go_server(folder, records, go_peer):
    with Serving(go_peer, "server", folder) as server:
        for _ in range(2):
            assert our_client(folder, records, server.port) == "called: in order"


def s_client(folder, port, typed):
    """openssl s_client in its interactive form, for (line, what is printed then): a line "K" is a KeyUpdate that
    asks for ours, "k" one that does not."""
    argv = ["openssl", "s_client", "-tls1_3", "-alpn", "h2", "-connect", f"127.0.0.1:{port}", "-cert",
            folder / "peer-cert.pem", "-key", folder / "peer-key.pem", "-CAfile", folder / "root.pem"]
    process = subprocess.Popen([str(a) for a in argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True)
    timer = threading.Timer(PATIENCE_S, process.kill)
    timer.start()
    try:
        for line, answer in typed:
            process.stdin.write(line + "\n")
            process.stdin.flush()
            printed = "?"
            while answer not in printed:
                printed = process.stdout.readline()
                assert printed, f"s_client ended before {answer!r}"
        process.stdin.close()
        process.stdout.read()
    finally:
        timer.cancel()
        process.kill()
        process.wait()
        process.stdout.close()


def test_s_client_updates_its_keys_and_asks_for_ours(folder, records):
    with our_server(folder, records) as server:
        typed = [("first", "first")]
        for turn in range(6):
            typed += [("K" if turn % 2 else "k", "KEYUPDATE"), (f"after update {turn}", f"after update {turn}")]
        s_client(folder, server.port, typed)
        assert server.line() == "echoed: in order"


def test_an_end_without_close_notify_is_no_end_in_order(folder, records):
    with our_server(folder, records) as server:
        with socket.create_connection(("127.0.0.1", server.port), PATIENCE_S) as plain:
            tls = python_context(folder, ssl.Purpose.SERVER_AUTH).wrap_socket(plain)
            tls.sendall(b"cut")
            assert tls.recv(3) == b"cut"
            tls.close()  # a FIN, and no close_notify
        assert "without close_notify" in server.line()
