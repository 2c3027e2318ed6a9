"""lib/grpc against the gRPC C core (python3-grpcio), as its client and as its server."""
import os
import subprocess
import threading
import time
from concurrent import futures

import grpc
import pytest

pytestmark = pytest.mark.sanitized

PEER = os.path.join(os.environ.get("CULVERT_BUILD", "build"), "tests/e2e/grpc/grpc_peer")
RAW = {"request_serializer": None, "response_deserializer": None}
BIG = [("grpc.max_receive_message_length", 64 << 20), ("grpc.max_send_message_length", 64 << 20)]


@pytest.fixture(params=["unix", "tcp"])
def ours(request, tmp_path):
    """Our server; yields (process, channel of grpcio)."""
    target = f"unix:{tmp_path}/peer.sock" if request.param == "unix" else "127.0.0.1:0"
    process = subprocess.Popen([PEER, "server", target], stdout=subprocess.PIPE, text=True)
    port = process.stdout.readline().split()[1]
    if request.param == "tcp":
        target = f"127.0.0.1:{port}"
    with grpc.insecure_channel(target, options=BIG) as channel:
        yield process, channel
    process.kill()
    process.wait()
    process.stdout.close()


def unary(channel, method, request, **more):
    return channel.unary_unary(f"/test.T/{method}", **RAW)(request, timeout=more.pop("timeout", 60), **more)


def test_a_unary_call_carries_message_metadata_and_deadline(ours):
    _, channel = ours
    assert unary(channel, "Tell", b"who", metadata=[("x-token", "t1")]) == b"somebody t1 bounded"
    assert channel.unary_unary("/test.T/Tell", **RAW)(b"who") == b"somebody none forever"


def test_statuses_and_their_texts_arrive_with_and_without_a_message_before(ours):
    _, channel = ours
    for code in range(1, 17):
        with pytest.raises(grpc.RpcError) as caught:
            unary(channel, "Fail", f"{code} no, 50% café".encode())
        assert caught.value.code().value[0] == code
        assert caught.value.details() == "no, 50% café"
    answers = channel.unary_stream("/test.T/Fail", **RAW)(b"+9 after", timeout=60)
    assert next(answers) == b"partial"
    with pytest.raises(grpc.RpcError) as caught:
        next(answers)
    assert caught.value.code() == grpc.StatusCode.FAILED_PRECONDITION


def test_an_unknown_method_is_unimplemented(ours):
    with pytest.raises(grpc.RpcError) as caught:
        unary(ours[1], "None", b"")
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_a_message_above_the_bound_is_refused_and_compression_too(ours):
    _, channel = ours
    with pytest.raises(grpc.RpcError) as caught:
        unary(channel, "Tell", b"x" * (5 << 20))
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    with pytest.raises(grpc.RpcError) as caught:
        unary(channel, "Tell", b"x" * 10000, compression=grpc.Compression.Gzip)
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_big_messages_pass_both_ways(ours):
    _, channel = ours
    message = os.urandom(20 << 20)
    assert unary(channel, "Echo", message) == message


def test_a_stream_of_messages_keeps_its_order_and_ends(ours):
    _, channel = ours
    sent = [os.urandom(i * 997) for i in range(200)]
    assert list(channel.stream_stream("/test.T/Echo", **RAW)(iter(sent), timeout=60)) == sent


def test_messages_are_answered_one_by_one(ours):
    _, channel = ours
    go = threading.Semaphore(0)

    def requests():
        for i in range(20):
            go.acquire()
            yield str(i).encode()

    answers = channel.stream_stream("/test.T/Echo", **RAW)(requests(), timeout=60)
    for i in range(20):
        go.release()
        assert next(answers) == str(i).encode()


def test_a_cancelled_call_ends_at_the_server_as_cancelled(ours):
    process, channel = ours
    release = threading.Event()

    def requests():
        yield b"x"
        release.wait(60)

    answers = channel.stream_stream("/test.T/Echo", **RAW)(requests(), timeout=60)
    assert next(answers) == b"x"
    answers.cancel()
    assert "CANCELLED" in process.stdout.readline()
    release.set()


def test_a_passed_deadline_is_reported_and_the_connection_lives_on(ours):
    _, channel = ours
    with pytest.raises(grpc.RpcError) as caught:
        unary(channel, "Hang", b"", timeout=0.3)
    assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    assert unary(channel, "Tell", b"3") == b"xxx"


def test_many_calls_at_once_share_a_connection(ours):
    _, channel = ours
    call = channel.unary_unary("/test.T/Tell", **RAW)
    waiting = [call.future(str(i).encode(), timeout=60) for i in range(500)]
    assert [len(f.result()) for f in waiting] == list(range(500))


class Theirs(grpc.GenericRpcHandler):
    """The same methods by grpcio."""

    def __init__(self):
        self.cancelled = threading.Event()

    def service(self, details):
        name = details.method.rsplit("/", 1)[1]
        return {
            "Tell": grpc.unary_unary_rpc_method_handler(self.tell, **self.raw()),
            "Fail": grpc.unary_unary_rpc_method_handler(self.fail, **self.raw()),
            "Hang": grpc.unary_unary_rpc_method_handler(self.hang, **self.raw()),
            "Echo": grpc.stream_stream_rpc_method_handler(self.echo, **self.raw()),
        }.get(name)

    @staticmethod
    def raw():
        return {"request_deserializer": None, "response_serializer": None}

    def tell(self, request, context):
        token = dict(context.invocation_metadata()).get("x-token", "none")
        return f"{request.decode()} {token} {context.time_remaining() is not None}".encode()

    def fail(self, request, context):
        code, text = request.decode().split(" ", 1)
        context.abort([c for c in grpc.StatusCode if c.value[0] == int(code)][0], text)

    def hang(self, request, context):
        time.sleep(1)
        return b""

    def echo(self, requests, context):
        context.add_callback(self.cancelled.set)
        for message in requests:
            yield message


@pytest.fixture(params=["unix", "tcp"])
def theirs(request, tmp_path):
    """grpcio's server; yields (its handler, a function that runs one case of our client)."""
    server = grpc.server(futures.ThreadPoolExecutor(8), options=BIG)
    handler = Theirs()
    server.add_generic_rpc_handlers([handler])
    target = f"unix:{tmp_path}/their.sock" if request.param == "unix" else "127.0.0.1:0"
    port = server.add_insecure_port(target)
    if request.param == "tcp":
        target = f"127.0.0.1:{port}"
    server.start()
    yield handler, lambda case: subprocess.run(
        [PEER, "client", target, case], stdout=subprocess.PIPE, text=True, timeout=120, check=True).stdout.strip()
    server.stop(None).wait()


@pytest.mark.parametrize("case, expected", [
    ("unary", "OK 12 who abc True"),
    ("big", "OK 20971520 " + "z" * 40),
    ("fail", "PERMISSION_DENIED: not é you%"),
    ("missing", "UNIMPLEMENTED: Method not found!"),
    ("bidi", "bidi ended OK"),
])
def test_our_client_understands_a_real_server(theirs, case, expected):
    assert theirs[1](case) == expected


def test_our_client_gives_up_at_its_deadline(theirs):
    assert theirs[1]("hang").startswith("DEADLINE_EXCEEDED")


def test_our_client_cancels_a_call_at_a_real_server(theirs):
    handler, run = theirs
    assert run("cancel").startswith("CANCELLED")
    assert handler.cancelled.wait(60)
