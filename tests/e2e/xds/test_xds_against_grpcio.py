"""lib/xds against the gRPC C core (python3-grpcio) and protoc's Python, as its client and as its server."""
import importlib
import os
import queue
import subprocess
import sys
import threading
from concurrent import futures
from pathlib import Path

import grpc
import pytest

PEER = os.path.join(os.environ.get("CULVERT_BUILD", "build"), "tests/e2e/xds/xds_peer")
PROTO = Path(__file__).resolve().parents[3] / "lib/proto"
ADDRESS = "type.googleapis.com/istio.workload.Address"
POLICY = "type.googleapis.com/istio.security.Authorization"
DELTA = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"
CERTIFICATE = "/istio.v1.auth.IstioCertificateService/CreateCertificate"
WAIT = 60


@pytest.fixture(scope="session")
def pb(tmp_path_factory):
    """The messages of discovery.proto and citadel.proto."""
    out = tmp_path_factory.mktemp("pb")
    protos = [str(PROTO / name) for name in ("discovery.proto", "citadel.proto")]
    subprocess.run(["protoc", f"--proto_path={PROTO}", f"--python_out={out}", *protos], check=True)
    sys.path.insert(0, str(out))
    yield importlib.import_module("discovery_pb2"), importlib.import_module("citadel_pb2")
    sys.path.remove(str(out))


@pytest.fixture
def start(tmp_path):
    """Starts the C++ end; all are stopped at the end."""
    running = []

    def run(role, *more):
        process = subprocess.Popen([PEER, role, str(tmp_path / "xds.sock"), *more], text=True,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        running.append(process)
        return process

    yield run
    for process in running:
        process.kill()
        process.communicate()


class Ours:
    """Our server, told what to serve."""

    def __init__(self, process):
        self.process = process
        assert process.stdout.readline() == "listening\n"

    def say(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def serve(self, snapshot):
        """Returns when it is served: a status told after it."""
        self.say(f"set {snapshot}")
        self.status()

    def status(self):
        self.say("status")
        return list(iter(self.process.stdout.readline, "end\n"))

    def wait_status(self, text):
        for _ in range(3000):
            if any(text in line for line in self.status()):
                return
            threading.Event().wait(0.02)
        raise AssertionError(f"no {text!r} in {self.status()}")


class Stream:
    """One delta stream of grpcio to our server."""

    def __init__(self, channel, pb):
        self.pb = pb
        self.requests = queue.Queue()
        call = channel.stream_stream(DELTA, request_serializer=pb.DeltaDiscoveryRequest.SerializeToString,
                                     response_deserializer=pb.DeltaDiscoveryResponse.FromString)
        self.responses = call(iter(self.requests.get, None), timeout=WAIT)

    def send(self, **fields):
        self.requests.put(self.pb.DeltaDiscoveryRequest(**fields))

    def ack(self, response, **more):
        self.send(type_url=response.type_url, response_nonce=response.nonce, **more)


@pytest.fixture
def ours(start):
    return Ours(start("server"))


@pytest.fixture
def stream(ours, tmp_path, pb):
    with grpc.insecure_channel(f"unix:{tmp_path}/xds.sock") as channel:
        opened = Stream(channel, pb[0])
        yield opened
        opened.requests.put(None)


def contents(response):
    assert all(r.resource.type_url == response.type_url for r in response.resources)
    return {r.name: r.resource.value.decode() for r in response.resources}


def test_a_grpcio_client_gets_everything_then_only_what_changes(ours, stream):
    ours.serve("1 address/a=1 address/b=1 policy/p=1")
    stream.send(node={"id": "py"}, type_url=ADDRESS)
    stream.send(type_url=POLICY, resource_names_subscribe=["*"])
    first, second = next(stream.responses), next(stream.responses)
    assert contents(first) == {"a": "1", "b": "1"} and contents(second) == {"p": "1"}
    stream.ack(first)
    stream.ack(second)
    ours.wait_status("node-1 connected py 1 0")
    ours.serve("2 address/a=2 policy/p=1")
    change = next(stream.responses)
    assert contents(change) == {"a": "2"} and list(change.removed_resources) == ["b"]
    stream.ack(change, error_detail={"code": 3, "message": "a: no"})
    ours.wait_status(f"py 1 1 {ADDRESS}: a: no")
    ours.serve("3 address/a=3 policy/p=1")
    stream.ack(next(stream.responses))
    ours.wait_status("py 3 1")


def test_a_reconnect_with_versions_gets_the_difference(ours, stream):
    ours.serve("7 address/same=1 address/changed=2")
    stream.send(node={"id": "py"}, type_url=ADDRESS,
                initial_resource_versions={"same": "v-1", "changed": "v-1", "gone": "v-1"})
    response = next(stream.responses)
    assert contents(response) == {"changed": "2"} and list(response.removed_resources) == ["gone"]


def test_names_can_be_subscribed_to_and_given_up(ours, stream):
    ours.serve("1 address/a=1 address/b=1")
    stream.send(node={"id": "py"}, type_url=ADDRESS, resource_names_subscribe=["a", "absent"])
    response = next(stream.responses)
    assert contents(response) == {"a": "1"} and list(response.removed_resources) == ["absent"]
    stream.ack(response, resource_names_unsubscribe=["a"], resource_names_subscribe=["b"])
    assert contents(next(stream.responses)) == {"b": "1"}


def test_a_request_without_a_type_ends_the_stream_with_the_reason(ours, stream):
    stream.send(node={"id": "py"})
    with pytest.raises(grpc.RpcError) as caught:
        next(stream.responses)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.details() == "request without a type url"


class Theirs(grpc.GenericRpcHandler):
    """A grpcio server: requests go to a queue, responses come from one; it also signs certificates."""

    def __init__(self, pb):
        self.pb, self.ca = pb
        self.requests, self.responses = queue.Queue(), queue.Queue()

    def service(self, details):
        if details.method == DELTA:
            return grpc.stream_stream_rpc_method_handler(
                self.stream, self.pb.DeltaDiscoveryRequest.FromString,
                self.pb.DeltaDiscoveryResponse.SerializeToString)
        if details.method == CERTIFICATE:
            return grpc.unary_unary_rpc_method_handler(
                self.sign, self.ca.IstioCertificateRequest.FromString,
                self.ca.IstioCertificateResponse.SerializeToString)
        return None

    def stream(self, requests, _context):
        def read():
            try:
                for request in requests:
                    self.requests.put(request)
            except grpc.RpcError:
                pass  # the server was stopped

        threading.Thread(target=read, daemon=True).start()
        yield from iter(self.responses.get, None)

    def sign(self, request, context):
        identity = request.metadata.fields["ImpersonatedIdentity"].string_value
        if identity == "spiffe://stranger":
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "not on this node")
        return self.ca.IstioCertificateResponse(cert_chain=[f"leaf {identity} {request.csr}", "root"])

    def send(self, type_url, nonce, resources, removed=()):
        message = self.pb.DeltaDiscoveryResponse(type_url=type_url, nonce=nonce, removed_resources=removed)
        for name, content in resources.items():
            resource = message.resources.add(name=name, version="v-" + content)
            resource.resource.type_url = type_url
            resource.resource.value = content.encode()
        self.responses.put(message)

    def next(self):
        return self.requests.get(timeout=WAIT)


@pytest.fixture
def theirs(tmp_path, pb):
    handler = Theirs(pb)
    server = grpc.server(futures.ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers((handler,))
    server.add_insecure_port(f"unix:{tmp_path}/xds.sock")
    server.start()
    yield handler
    handler.responses.put(None)
    server.stop(None).wait()


def test_our_client_applies_acknowledges_and_refuses_by_name(theirs, start):
    client = start("client")
    first, second = theirs.next(), theirs.next()
    assert first.type_url == ADDRESS and second.type_url == POLICY
    assert first.node.id.startswith("ztunnel~10.0.0.1~")
    assert first.node.metadata["NODE_NAME"] == "node-1"
    assert not first.resource_names_subscribe and not first.initial_resource_versions
    theirs.send(ADDRESS, "n1", {"a": "1", "b": "1"})
    ack = theirs.next()
    assert (ack.response_nonce, ack.HasField("error_detail")) == ("n1", False)
    assert client.stdout.readline() == "address +a=1 +b=1\n"
    theirs.send(ADDRESS, "n2", {"a": "2", "c": "bad"}, ["b"])
    nack = theirs.next()
    assert (nack.response_nonce, nack.error_detail.message) == ("n2", "c: it is bad")
    assert client.stdout.readline() == "address +a=2 -b\n"


def test_our_client_comes_back_with_the_versions_it_holds(theirs, start):
    start("client")
    theirs.next(), theirs.next()
    theirs.send(ADDRESS, "n1", {"a": "1", "b": "bad"})
    theirs.next()
    theirs.responses.put(None)  # the server ends the stream
    again = theirs.next()
    assert again.node.id and dict(again.initial_resource_versions) == {"a": "v-1"}


@pytest.mark.parametrize("identity,answer", [
    ("spiffe://td/ns/a/sa/b", "leaf spiffe://td/ns/a/sa/b CSR, root\n"),
    ("spiffe://stranger", "UNAUTHENTICATED: not on this node\n"),
])
def test_our_certificate_client_gets_a_chain_or_the_servers_words(theirs, start, identity, answer):
    assert start("certificate", identity).stdout.readline() == answer


def test_a_grpcio_client_gets_a_certificate_from_our_server(ours, tmp_path, pb):
    ca = pb[1]
    with grpc.insecure_channel(f"unix:{tmp_path}/xds.sock") as channel:
        call = channel.unary_unary(CERTIFICATE, request_serializer=ca.IstioCertificateRequest.SerializeToString,
                                   response_deserializer=ca.IstioCertificateResponse.FromString)
        request = ca.IstioCertificateRequest(csr="CSR")
        with pytest.raises(grpc.RpcError) as caught:
            call(request, timeout=WAIT)
        assert caught.value.details() == "nobody was named"
        request.metadata["ImpersonatedIdentity"] = "spiffe://x"
        assert list(call(request, timeout=WAIT).cert_chain) == ["leaf of spiffe://x", "root"]
