"""Bytes that arrive differently are noticed, by the clients, the origin and the harness."""
import contextlib
import json
import socket
import subprocess
import threading

import pytest

import labs
from lab import free_port, wait_until

MIB = 1 << 20
SECONDS = "0.6"  # of a load that must at least begin, on a busy machine
LONG_ENOUGH = 5  # seconds in which 300 bytes come, whatever else the machine does


def pump(source, sink, spoil):
    seen = 0
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(spoil(data, seen))
            seen += len(data)
        sink.shutdown(socket.SHUT_WR)


class Relay:
    """Between a client and the origin, on loopback; `up` and `down` get (bytes, how many went before)."""

    def __init__(self, port, up=lambda data, _: data, down=lambda data, _: data):
        self.port, self.up, self.down = port, up, down
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.target = f"127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client = self.listener.accept()[0]
                origin = socket.create_connection(("127.0.0.1", self.port))
                for pair in ((client, origin, self.up), (origin, client, self.down)):
                    threading.Thread(target=pump, args=pair, daemon=True).start()

    def __enter__(self):
        return self.target

    def __exit__(self, *_):
        self.listener.close()


def change_after(offset):
    """Flips a bit of the byte at `offset`."""
    def spoil(data, seen):
        if seen <= offset < seen + len(data):
            at = offset - seen
            data = data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]
        return data
    return spoil


def drop_at(offset):
    """Leaves one byte out."""
    def spoil(data, seen):
        at = offset - seen
        return data[:at] + data[at + 1:] if 0 <= at < len(data) else data
    return spoil


@pytest.fixture(scope="module")
def origin():
    port = free_port()
    process = subprocess.Popen([labs.BENCH, "serve", str(port)])

    def listens():
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return True
        return False
    try:
        wait_until(listens, "the origin listens")
        yield port
    finally:
        process.kill()
        process.wait()


def bench(*argv, stdin=None):
    done = subprocess.run([labs.BENCH, *map(str, argv)], text=True, capture_output=True, timeout=300, input=stdin)
    return done.returncode, json.loads(done.stdout.splitlines()[-1])


def test_what_arrives_as_it_was_sent_is_no_failure(origin):
    with Relay(origin) as target:
        for argv in (["bulk", target, "--seconds", "0", "--bytes", MIB], ["requests", target, "--seconds", SECONDS],
                     ["requests", target, "--proxied", "--seconds", SECONDS],
                     ["requests", target, "--connections", 2, "--streams", 3, "--seconds", SECONDS],
                     ["requests", target, "--connections", 2, "--streams", 3, "--grpc", "--seconds", SECONDS],
                     ["bulk", target, "--down", "--bytes", MIB], ["connects", target, "--seconds", SECONDS]):
            status, told = bench(*argv)
            assert (status, told["wrong"], told["failures"]) == (0, 0, {}), (argv, told)


@pytest.mark.parametrize("spoil", [change_after(70), drop_at(70), change_after(300)], ids=["head", "lost", "body"])
@pytest.mark.parametrize("argv", [["requests", "--seconds", SECONDS], ["connects", "--seconds", SECONDS],
                                  ["bulk", "--down", "--bytes", MIB, "--every-byte"]], ids=lambda argv: argv[0])
def test_a_changed_or_lost_byte_of_an_answer_is_noticed(origin, argv, spoil):
    with Relay(origin, down=spoil) as target:
        status, told = bench(argv[0], target, *argv[1:])
    assert status == 3 and told["wrong"] > 0, told


@pytest.mark.parametrize("spoil", [change_after(10), change_after(300), drop_at(300)], ids=["status", "body", "lost"])
def test_a_changed_or_lost_byte_behind_a_proxy_is_noticed(origin, spoil):
    with Relay(origin, down=spoil) as target:
        status, told = bench("requests", target, "--proxied", "--seconds", SECONDS)
    assert status == 3 and told["wrong"] > 0, told


@pytest.mark.parametrize("flags", [[], ["--grpc"]], ids=["get", "grpc"])
def test_a_changed_byte_of_http_2_is_a_failure(origin, flags):
    with Relay(origin, down=change_after(700)) as target:  # in the body of the first answer
        status, told = bench("requests", target, "--streams", 1, "--seconds", SECONDS, *flags)
    assert status == 3 and told["wrong"] > 0, told


def test_a_changed_byte_of_a_grpc_request_is_noticed_by_the_origin(origin):
    with Relay(origin, up=change_after(190)) as target:  # in the message of the first call
        status, told = bench("requests", target, "--streams", 1, "--grpc", "--seconds", SECONDS)
    assert status == 3 and told["wrong"] > 0, told


def test_a_changed_byte_is_noticed_among_idle_connections(origin):
    with Relay(origin, down=change_after(1500)) as target:  # in the second answer
        status, told = bench("hold", target, stdin="open 20\nask\n")
    assert status == 3 and told["wrong"] > 0, told


def test_a_lost_byte_of_an_upload_is_noticed_by_the_origin(origin):
    with Relay(origin, up=drop_at(300_000)) as target:
        status, told = bench("bulk", target, "--seconds", "0", "--bytes", MIB)
    assert status == 3 and told["wrong"] > 0, told


def test_an_upload_that_is_cut_is_no_success(origin):
    with Relay(origin, up=lambda data, seen: data if seen < 300_000 else b"") as target:
        status, told = bench("bulk", target, "--seconds", "0", "--bytes", MIB)
    assert status == 3 and told["bytes"] == 0, told


def test_a_connection_that_nobody_takes_is_a_failure_with_its_name():
    status, told = bench("requests", f"127.0.0.1:{free_port()}", "--seconds", "0.1")
    assert status == 1 and told["failures"] == {"connect ECONNREFUSED": 1}


class Loopback:
    """In a lab's place: its pods' programs run here."""
    name = "loopback"

    def popen(self, _pod, *argv, **options):
        return subprocess.Popen([str(word) for word in argv], text=True, **options)


def test_the_harness_ends_with_words_when_bytes_were_changed(origin):
    with Relay(origin, down=change_after(300)) as target:
        with pytest.raises(labs.Failed, match="bytes were changed on the way"):
            labs.load(Loopback(), "pod", "requests", target, "--seconds", LONG_ENOUGH, timeout=120)
    with Relay(origin) as target:
        assert labs.load(Loopback(), "pod", "requests", target, "--seconds", SECONDS, timeout=120)["requests"] > 0
