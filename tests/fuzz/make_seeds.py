#!/usr/bin/python3
"""Writes the seeds of tests/fuzz/corpus: inputs that are right, from which libFuzzer goes on.

usage: tests/fuzz/make_seeds.py [TARGET ...]

Some have keys and times in them and differ with each run, so name the targets whose seeds changed. Needs protoc and python3-protobuf. Files called regression-* are inputs that once broke a property;
they are not written here and stay.
"""
import importlib
import pathlib
import random
import ssl
import struct
import subprocess
import sys
import tempfile

from yaml_seeds import YAML

HERE = pathlib.Path(__file__).resolve().parent
PROTO = HERE.parents[1] / "lib/proto"
ADDRESS = "type.googleapis.com/istio.workload.Address"
POLICY = "type.googleapis.com/istio.security.Authorization"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
URI = "spiffe://cluster.local/ns/shop/sa/web"

TEXTS = {
    "baggage": ["k8s.cluster.name=Kubernetes,k8s.namespace.name=shop,k8s.deployment.name=web,service.name=web,"
                "service.version=v1,cloud.region=eu,cloud.availability_zone=eu-1",
                "k8s.cronjob.name=a%20b;property=1 , k8s.pod.name=second,,unknown=member", "k8s.job.name=%e2%82%ac"],
    "forwarded": ['for="10.0.0.5:41000";host=web.shop.svc.cluster.local', 'for="[fd00::1]:80"', "for=10.0.0.5",
                  "For=unknown;proto=https;by=_hidden, for=192.0.2.1", 'host="Web:80";for="\\[fd00::2]"'],
    "traceparent": ["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                    "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what the future will be like"],
    "authority": ["10.0.0.1:80", "[fd00::1]:8080", "[::ffff:10.0.0.1]:1", "Web.shop.svc.cluster.local.:443",
                  "my_host:1", "10.0.0.0/8", "fd00::/64"],
    "spiffe_id": [URI, "spiffe://a.b-c_d/ns/n/sa/s.t", "spiffe://td/path/to/it", "spiffe://td/ns/n/sa/s/more"],
    "hbone_request": [":method CONNECT\n:authority 10.0.0.1:80\nbaggage k8s.namespace.name=shop,k8s.pod.name=web\n"
                      'forwarded for="10.0.0.5:41000";host=web.shop\n'
                      "traceparent 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\nx-other value",
                      ":method CONNECT\n:authority web.shop.svc.cluster.local:80\nforwarded for=unknown",
                      ":status 200\nbaggage k8s.namespace.name=shop", ":method GET\n:path /\n:scheme http",
                      ":method CONNECT\n:authority 10.0.0.1:80\nx-culvert-source " + URI + ";10.0.0.5:41000",
                      ":method CONNECT\n:authority [fd00::1]:80\nx-culvert-source " + URI + ";[fd00::5]:41000"],
    "admin_request": ["GET /status?a=1&b=%20x HTTP/1.1\r\nHost: a\r\nX-Two: 2\r\n\r\n",
                      "HEAD /pods HTTP/1.0\r\n\r\n", "DELETE /pods/uid-1 HTTP/1.1\r\n\r\n", "PUT / HTTP/1.1\r\n\r\n",
                      "POST /file HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
                      "POST /logging?level=ztunnel:debug,access=off&access_filter=errors%2Creason%3DDENY HTTP/1.1\r\n\r\n",
                      "POST /logging?reset&level=trace HTTP/1.1\r\n\r\n"],
    "access_filter": ["\3\1errors", "\0\0direction=inbound,namespace=shop|data,sample=0.25", "\7\2reason=DENY|CONNECT|-"],
    "grpc_status": ["no such pod%0A%E2%82%AC", "7", "250m", "99999999H", "503"],
    "handover_words": ["keep u-1 7", "remove 5d3f-aa 18446744073709551615", "keep a 07"],
}
POD = ('{"uid":"u-1","namespace":"shop","name":"web","service_account":"web","netns":"/run/netns/web",'
       '"ips":["10.0.0.5","fd00::5"]}')
POD_FILE = '{"version":1,"boot_id":"boot","pods":[' + POD[:-1] + ',"netns_cookie":7}]}'


def messages(*names):
    """The Python modules of lib/proto/NAME.proto and of what they import."""
    with tempfile.TemporaryDirectory() as out:
        subprocess.run(["protoc", f"--proto_path={PROTO}", f"--python_out={out}",
                        *map(str, PROTO.glob("*.proto"))], check=True)
        sys.path.insert(0, out)
        return [importlib.import_module(f"{name}_pb2") for name in names]


def addresses(workload):
    one = workload.Address()
    w = one.workload
    w.uid, w.name, w.namespace, w.node = "Kubernetes//Pod/shop/web-1", "web-1", "shop", "east"
    w.addresses.extend([bytes([10, 0, 0, 5]), bytes([0xFD] + [0] * 14 + [5])])
    w.tunnel_protocol, w.service_account, w.canonical_name, w.workload_name = 1, "web", "web", "web"
    w.services["shop/web.shop.svc.cluster.local"].ports.add(service_port=80, target_port=8080)
    w.authorization_policies.append("shop/deny")
    w.locality.region = "eu"
    w.waypoint.hostname.namespace, w.waypoint.hostname.hostname = "shop", "waypoint.shop.svc.cluster.local"
    two = workload.Address()
    s = two.service
    s.name, s.namespace, s.hostname = "web", "shop", "web.shop.svc.cluster.local"
    s.addresses.add(address=bytes([10, 1, 0, 1]))
    s.ports.add(service_port=80, target_port=8080)
    s.subject_alt_names.append(URI)
    s.load_balancing.mode = 3
    return {w.uid: one, f"{s.namespace}/{s.hostname}": two}


def policy(authorization):
    one = authorization.Authorization(name="deny", namespace="shop", scope=2, action=1)
    match = one.rules.add().clauses.add().matches.add()
    match.principals.add(suffix="/sa/far")
    match.not_namespaces.add(exact="shop")
    match.namespaces.add().presence.SetInParent()
    match.source_ips.add(address=bytes([10, 0, 0, 0]), length=8)
    match.destination_ports.append(8080)
    match.service_accounts.add(namespace="shop", serviceAccount="web")
    return {"shop/deny": one}


def response(discovery, type_url, resources, removed=()):
    out = discovery.DeltaDiscoveryResponse(type_url=type_url, nonce="1", system_version_info="7")
    for name, resource in resources.items():
        one = out.resources.add(name=name, version="v1")
        one.resource.type_url, one.resource.value = type_url, resource.SerializeToString()
    out.removed_resources.extend(removed)
    return b"\1" + out.SerializeToString()


def delta_seeds():
    discovery, workload, authorization = messages("discovery", "workload", "authorization")
    request = discovery.DeltaDiscoveryRequest(type_url=ADDRESS, response_nonce="2")
    request.node.id, request.node.metadata["NODE"] = "ztunnel~10.0.0.1~z.ns~ns.svc.cluster.local", "east"
    request.resource_names_subscribe.append("*")
    request.initial_resource_versions["a"] = "v1"
    request.error_detail.code, request.error_detail.message = 3, "a: no uid"
    return {"addresses": response(discovery, ADDRESS, addresses(workload), ["gone"]),
            "policies": response(discovery, POLICY, policy(authorization)),
            "request": b"\0" + request.SerializeToString()}


def zds_seeds():
    zds, = messages("zds")
    add = zds.WorkloadRequest()
    add.add.uid, add.add.workload_info.name, add.add.workload_info.namespace = "u-1", "web", "shop"
    add.add.workload_info.service_account = "web"
    keep, gone, sent = zds.WorkloadRequest(), zds.WorkloadRequest(), zds.WorkloadRequest()
    keep.keep.uid, gone.__getattribute__("del").uid = "u-1", "u-2"
    sent.snapshot_sent.SetInParent()
    ack = zds.WorkloadResponse()
    ack.ack.error = "no such pod"
    packets = {"add": (0, add), "keep": (0, keep), "del": (0, gone), "sent": (0, sent), "ack": (1, ack),
               "hello": (2, zds.ZdsHello(version=1))}
    return {name: bytes([kind]) + packet.SerializeToString() for name, (kind, packet) in packets.items()}


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def block(*fields):
    """Literals without indexing (RFC 7541 section 6.2.2)."""
    return b"".join(b"\0" + b"".join(bytes([len(text)]) + text.encode() for text in field) for field in fields)


def h2_seeds():
    connect = block((":method", "CONNECT"), (":authority", "a:1"))
    start = PREFACE + frame(4, 0, 0, bytes.fromhex("000300000064000400010000"))
    one = frame(1, 4, 1, connect) + frame(0, 0, 1, b"some data") + frame(0, 9, 1, b"\2more\0\0")
    get = block((":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a"))
    trailers = frame(1, 4, 3, get) + frame(0, 0, 3, b"x") + frame(1, 5, 3, block(("x-end", "1")))
    parts = frame(1, 0, 5, connect[:9]) + frame(9, 0, 5, connect[9:12]) + frame(9, 4, 5, connect[12:])
    indexed = frame(1, 4, 7, b"\x42\x07CONNECT\x41\x03a:1") + frame(1, 4, 9, b"\xbf\xbe")
    control = (frame(6, 0, 0, b"12345678") + frame(2, 0, 1, b"\0\0\0\0\1") + frame(8, 0, 0, b"\0\0\1\0") +
               frame(4, 1, 0) + frame(3, 0, 1, b"\0\0\0\x08") + frame(7, 0, 0, bytes(8)))
    return {"data": b"\7" + start + one, "trailers": b"\0" + start + trailers, "continuation": b"\3" + start + parts,
            "indexed": b"\x20" + start + indexed, "control": b"\x0b" + start + frame(1, 4, 1, connect) + control,
            "malformed": b"\x05" + start + frame(1, 4, 1, connect + block((":path", "/"))) + one}


def der(tag, content):
    assert len(content) < 128
    return bytes([tag, len(content)]) + content


NEW_KEY = ["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=x"]


def certificate_seeds():
    names = {"workload": [(0x86, URI)], "two": [(0x86, URI), (0x86, URI)], "dns": [(0x82, "web.shop")],
             "uri-and-dns": [(0x86, URI), (0x82, "a")], "https": [(0x86, "https://cluster.local/x")], "none": []}
    sans = {name: der(0x30, b"".join(der(tag, text.encode()) for tag, text in some)) for name, some in names.items()}
    out = {f"peer-{name}": b"\0" + san for name, san in sans.items()}
    out |= {f"request-{name}": b"\1" + san for name, san in sans.items()}
    out["peer-ca"] = b"\x80" + sans["workload"]
    with tempfile.TemporaryDirectory() as folder:
        key, cert = pathlib.Path(folder, "key"), pathlib.Path(folder, "cert")
        new = [*NEW_KEY, "-addext", f"subjectAltName=URI:{URI}", "-keyout", key, "-out", cert]
        subprocess.run([*new, "-x509", "-days", "1"], check=True, capture_output=True)
        out["chain"] = b"\2" + cert.read_bytes() * 2
        subprocess.run(new, check=True, capture_output=True)
        out["signing-request"] = b"\3" + cert.read_bytes()
    return out


def grpc_seeds():
    def message(payload, compressed=0):
        return bytes([compressed]) + struct.pack(">I", len(payload)) + payload
    return {"messages": b"\2" + message(b"hello") + message(b"") + message(b"x" * 20), "cut": b"\0" + message(b"ab")[:-1],
            "compressed": b"\4" + message(b"a") + message(b"b", 1), "large": b"\1\0\xff\xff\xff\xffx"}


def tls_seeds():
    """Role and way, step, then raw records or a script of [type, length, padding] content."""
    def scripted(*records):
        return b"\2\xff" + b"".join(bytes([kind, len(content), zeros]) + content for kind, content, zeros in records)
    data, update, ticket = (23, b"hello", 0), (22, bytes([24, 0, 0, 1, 1]), 0), (22, b"\4\0\0\5ticke", 0)
    return {"raw": b"\1\5" + b"\x17\3\3\0\x13" + bytes(19), "data": scripted(data, (23, b"padded", 9), (23, b"", 0)),
            "updates": scripted(update, data, update, data), "tickets": scripted(ticket, ticket, data),
            "close": scripted(data, (21, b"\1\0", 3), data), "alert": scripted((21, b"\2\x14", 0)),
            "cut-message": scripted((22, bytes([24, 0]), 0), (22, bytes([0, 1, 0]), 0), data)}


def http1_seeds():
    """A byte for the cut, one for the side and what was asked (bits: response, to HEAD, upgrade), the stream."""
    head = "GET /a/%2e%2E/b?c HTTP/1.1\r\nHost: a.example:80\r\n"
    ok = "HTTP/1.1 200 OK\r\n"
    requests = {
        "get": head + "\r\n", "pipelined": (head + "\r\n") * 3, "close": head + "Connection: close, x\r\nX: 1\r\n\r\n",
        "length": "POST / HTTP/1.1\r\nHost: [fd00::1]\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
        "chunked": "PUT //x%2f HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\n\r\n"
                   "5;a=\"b\"\r\nhello\r\n0a\r\n0123456789\r\n0\r\nX-Sum: 1\r\n\r\n",
        "websocket": head + "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        "absolute": "OPTIONS http://a HTTP/1.1\r\nHost: a:80\r\n\r\n", "old": "GET / HTTP/1.0\r\n\r\n",
        "both": head + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "preface": PREFACE.decode(), "folded": head + "x: y\r\n z\r\n\r\n",
    }
    responses = {
        "ok": (1, ok + "Content-Length: 2\r\n\r\nok"), "until-close": (1, ok + "\r\nall of it"),
        "continue": (1, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 \r\nLink: x\r\n\r\n" + ok + "Content-Length: 0\r\n\r\n"),
        "chunked": (1, ok + "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nGrpc-Status: 0\r\n\r\nHTTP/1.1 204 \r\n\r\n"),
        "head": (3, ok + "Content-Length: 7\r\n\r\n" + "HTTP/1.1 304 Not Modified\r\n\r\n"),
        "upgrade": (5, "HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nframes"),
    }
    return ({f"request-{name}": b"\x04\x00" + text.encode() for name, text in requests.items()} |
            {f"response-{name}": bytes([6, mode]) + text.encode() for name, (mode, text) in responses.items()})


def first_bytes_seeds():
    """A byte for the cut, one for what else happens (bits: its end, silence, woken for nothing), what a client says."""
    says = {
        "http1": b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n", "http09": b"GET /a\r\n", "padded": b"\r\n \t\nOPTIONS * http/1.0\r\n\r\n",
        "spaced": b"GET\v/\fHTTP/1.1\n\n", "http2": PREFACE + frame(4, 0, 0), "not-http2": PREFACE[:16] + b"\r\nSX",
        "tls": bytes.fromhex("160301020001000001fc0303"), "not-tls": bytes.fromhex("160301000202"), "lines": b"EHLO a.example\r\n",
        "long": b"GET /" + b"a" * 9000, "word": b"a" * 9000, "spaces": b" " * 9000,
    }
    return {name: bytes([n, n % 8]) + text for n, (name, text) in enumerate(says.items())}


TURN_END = b"\xff\xfe\xff"  # peer.hpp


def served_seeds():
    """HTTP/1.1 and HTTP/2 of clients: what http1 and h2_server read, and what the waypoint alone does."""
    def talk(*says):
        return b"\x06" + TURN_END.join(one.encode() for one in says)
    get, post = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n", "POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
    chunked = "DELETE /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-End: 1\r\n\r\n"
    upgrade = "GET /w HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
    http1 = {"kept": talk(get, get, get), "expects": talk(post + "Expect: 100-continue\r\n\r\n", "hello"),
             "early": talk(chunked, get), "upgrade": talk(upgrade, "frames"), "head": talk(get.replace("GET", "HEAD"), get),
             "cut": talk(post + "\r\nhel"), "refused": talk(post + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")}
    start = b"\x07" + PREFACE + frame(4, 0, 0)
    pseudo = ((":scheme", "http"), (":path", "/"), (":authority", "a"))
    get, post = block((":method", "GET"), *pseudo), block((":method", "POST"), *pseudo, ("content-length", "4"))
    trailers = frame(1, 4, 1, block((":method", "DELETE"), *pseudo)) + frame(0, 0, 1, b"x") + frame(1, 5, 1, block(("x-end", "1")))
    upgrade = block((":method", "CONNECT"), (":protocol", "websocket"), *pseudo)
    http2 = {"requests": start + frame(1, 5, 1, get) + frame(1, 4, 3, post) + frame(0, 0, 3, b"ab") + frame(0, 1, 3, b"cd"),
             "trailers": start + trailers, "turns": start + frame(1, 5, 1, get) + TURN_END + frame(1, 5, 3, get),
             "upgrade": start + frame(1, 4, 1, upgrade) + TURN_END + frame(0, 1, 1, b"frames"),
             "lengths": start + frame(1, 4, 1, post) + frame(0, 1, 1, b"five!"),
             "malformed": start + frame(1, 5, 1, get + block(("connection", "close"))) + frame(1, 5, 3, get),
             "reset": start + frame(1, 4, 1, post) + frame(3, 0, 1, b"\0\0\0\x08")}
    return {"http1_served": http1, "http2_served": http2}


def asked_seeds():
    """Of upstreams: a byte for the cut, one for the first request (POST, HEAD, websocket), what they say."""
    ok = "HTTP/1.1 200 OK\r\n"
    length, chunked = ok + "Content-Length: 2\r\n\r\nok", ok + "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-End: 1\r\n\r\n"
    switch = "HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nframes"
    http1 = {"kept": (0, length, ok + "Content-Length: 9\r\n\r\n", switch), "upgrade": (2, switch, "more"),
             "interim": (0, "HTTP/1.1 100 \r\n\r\nHTTP/1.1 103 \r\nLink: x\r\n\r\n" + chunked, length),
             "until-close": (0, ok + "\r\nall of it"), "early": (0, length + length), "cut": (0, ok + "Content-Length: 9\r\n\r\nshort"),
             "head": (1, chunked.replace("1\r\na\r\n0\r\nX-End: 1\r\n\r\n", ""), length), "both": (0, length.replace("\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n"))}
    h2 = {name: content[:1] + bytes([n % 3]) + content[1:] for n, (name, content) in enumerate(h2_client_seeds().items())}
    h2["websocket"] = (b"\x07\x02" + frame(4, 0, 0, bytes.fromhex("000800000001")) + TURN_END + frame(1, 4, 1, b"\x88") +
                       frame(0, 0, 1, b"frames") + frame(0, 1, 1))
    return {"http1_asked": {name: bytes([5, first]) + TURN_END.join(one.encode() for one in says)
                            for name, (first, *says) in http1.items()}, "http2_asked": h2}


def grpc_exchange_seeds():
    """grpc-timeout, content-type, the caller's body, the upstream's frames."""
    def message(payload):
        return b"\0" + struct.pack(">I", len(payload)) + payload
    head = block((":status", "200"), ("content-type", "application/grpc"))
    settings, status = frame(4, 0, 0), block(("grpc-status", "5"), ("grpc-message", "no such"))
    unary = settings + frame(1, 4, 1, head) + frame(0, 0, 1, message(b"hi")) + frame(1, 5, 1, status)
    only = settings + frame(1, 5, 1, head + status)

    def call(timeout, kind, body, says):
        return b"\x1f" + TURN_END.join([timeout, kind, body, says])
    grpc = b"application/grpc"
    return {"unary": call(b"5S", grpc, message(b"hello"), unary), "trailers-only": call(b"", grpc + b"+proto", b"", only),
            "streams": call(b"99999999H", grpc, message(b"a") * 9, unary.replace(frame(0, 0, 1, message(b"hi")), frame(0, 0, 1, message(b"") * 5))),
            "late": call(b"1n", grpc, message(b"x"), b""), "not-grpc": call(b"7x", b"text/plain", b"x", unary),
            "cut": call(b"1M", grpc, b"\0\0", unary[:-20]), "refused": call(b"1H", grpc, message(b"y"), settings + frame(3, 0, 1, b"\0\0\0\x07"))}


def h2_client_seeds():
    settings, headers = frame(4, 0, 0, bytes.fromhex("000300000064")), frame(1, 4, 1, b"\x88")
    trailers = frame(1, 5, 1, block(("x-end", "1")))
    wait = frame(1, 4, 3, block((":status", "103"))) + frame(1, 4, 3, b"\x88") + frame(0, 1, 3, b"whole")
    away = frame(7, 0, 0, struct.pack(">II", 1, 0)) + frame(3, 0, 3, struct.pack(">I", 7))
    return {"data": b"\7" + settings + headers + frame(0, 0, 1, b"some") + frame(0, 1, 1, b"data"),
            "trailers": b"\0" + settings + headers + frame(0, 0, 1, b"x") + trailers,
            "interim": b"\3" + settings + frame(4, 1, 0) + wait, "refused": b"\x0b" + settings + headers + away,
            "push": b"\x05" + settings + frame(5, 4, 1, struct.pack(">I", 2) + block((":path", "/")))}


def crc64(content):
    """CRC-64/XZ."""
    value = 2**64 - 1
    for byte in content:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xC96C5795D7870F42 if value & 1 else 0)
    return value ^ (2**64 - 1)


def sized(*texts):
    return b"".join(struct.pack("<Q", len(text)) + text for text in texts)


def state_seeds():
    discovery, workload, authorization = messages("discovery", "workload", "authorization")
    saved = sized(response(discovery, ADDRESS, addresses(workload))[1:],
                  response(discovery, POLICY, policy(authorization))[1:])
    *_, objects = messages("field_rules", "istio_type", "kubernetes", "istio_security", "istio_objects")
    rule = objects.AuthorizationPolicy(api_version="security.istio.io/v1", kind="AuthorizationPolicy")
    rule.metadata.name, rule.metadata.namespace = "a", "shop"
    rule.spec.action = 1
    rule.spec.rules.add().to.add().operation.ports.append("80")
    kept = sized(b"AuthorizationPolicy", b"shop", b"a", b"a.yaml", b"1", b"1", rule.SerializeToString())
    header = b"CVXDSCFG" + struct.pack("<IQQ", 1, len(saved), crc64(saved))
    return {"frame": b"\0" + header + saved, "damage": b"\1\0\x20\1some content", "resources": b"\2" + saved,
            "objects": b"\3" + kept}


def xds_session_seeds():
    discovery, = messages("discovery")
    all_of_it = discovery.DeltaDiscoveryRequest(type_url=ADDRESS, resource_names_subscribe=["*"])
    ack = discovery.DeltaDiscoveryRequest(type_url=ADDRESS, response_nonce="1-1")
    some = discovery.DeltaDiscoveryRequest(type_url=POLICY, resource_names_subscribe=["a", "none"],
                                           initial_resource_versions={"a": "v0", "gone": "v1"})
    nack = discovery.DeltaDiscoveryRequest(type_url=POLICY, response_nonce="1-2", resource_names_unsubscribe=["none"])
    nack.error_detail.code, nack.error_detail.message = 3, "a: malformed"

    def steps(*requests):
        parts = [one and one.SerializeToString() for one in requests]
        return b"".join(b"\1" + struct.pack(">H", len(one)) + one if one else b"\0" for one in parts)
    return {"all": steps(all_of_it, ack, None), "some": steps(all_of_it, some, None, nack, ack, None)}


def certificate_request_seeds():
    citadel, = messages("citadel")
    request = citadel.IstioCertificateRequest(csr="none", validity_duration=3600)
    request.metadata["ImpersonatedIdentity"] = URI
    chain = citadel.IstioCertificateResponse(cert_chain=["leaf", "root"])
    return {"request": b"\0" + request.SerializeToString(), "chain": b"\1" + chain.SerializeToString()}


def revocation_seeds():
    """A CRL with two entries, as PEM and as DER, by openssl(1)'s small CA."""
    with tempfile.TemporaryDirectory() as folder:
        at = pathlib.Path(folder)
        (at / "index").write_text("".join(f"R\t350101000000Z\t260101000000Z\t0{n}\tunknown\t/CN=x\n" for n in (2, 3)))
        (at / "number").write_text("07\n")
        (at / "config").write_text(f"[ca]\ndefault_ca=one\n[one]\ndatabase={at}/index\ncrlnumber={at}/number\n"
                                   "default_md=sha256\ncrl_extensions=more\n[more]\nauthorityKeyIdentifier=keyid\n")
        subprocess.run([*NEW_KEY, "-x509", "-days", "9", "-keyout", at / "key", "-out", at / "cert"], check=True,
                       capture_output=True)
        subprocess.run(["openssl", "ca", "-config", at / "config", "-gencrl", "-crldays", "9", "-keyfile", at / "key",
                        "-cert", at / "cert", "-out", at / "crl"], check=True, capture_output=True)
        subprocess.run(["openssl", "crl", "-in", at / "crl", "-outform", "DER", "-out", at / "der"], check=True)
        pem, plain = (at / "crl").read_bytes(), (at / "der").read_bytes()
        return {"file": b"\0" + pem + (at / "cert").read_bytes(), "by-root": b"\1" + plain, "by-stranger": b"\3" + plain,
                "of-another": b"\5" + plain}


def handshake_seeds():
    """The first flight of a client, and a server's answer to it, by Python's ssl."""
    with tempfile.TemporaryDirectory() as folder:
        key, cert = pathlib.Path(folder, "key"), pathlib.Path(folder, "cert")
        subprocess.run([*NEW_KEY, "-x509", "-days", "1", "-keyout", key, "-out", cert], check=True, capture_output=True)
        server_side, client_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        server_side.load_cert_chain(cert, key)
    client_side.check_hostname, client_side.verify_mode = False, ssl.CERT_NONE
    flights, others = [], b""
    for context, server in ((client_side, False), (server_side, True)):
        context.set_alpn_protocols(["h2"])
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        incoming.write(others)
        try:
            context.wrap_bio(incoming, outgoing, server_side=server).do_handshake()
        except ssl.SSLWantReadError:
            pass
        others = outgoing.read()
        flights.append(others)
    return {"client-hello": b"\x20" + flights[0], "client-hello-twice": b"\xfe" + 2 * flights[0],
            "server-hello": b"\xff" + flights[1], "alert": b"\xfe\x15\3\3\0\2\2\x28"}


def main():
    seeds = {target: {f"{n}": text.encode() for n, text in enumerate(texts)} for target, texts in TEXTS.items()}
    for path, body in (("pods?wait_ms=1", POD), ("file", POD_FILE)):
        seeds["admin_request"][path.split("?")[0]] = (f"POST /{path} HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n"
                                                      f"{body}").encode()
    seeds["yaml_objects"] = {name: text.encode() for name, text in YAML.items()}
    seeds |= {"xds_delta": delta_seeds(), "zds_messages": zds_seeds(), "h2_server": h2_seeds(),
              "certificates": certificate_seeds(), "grpc_framing": grpc_seeds(), "tls_records": tls_seeds(),
              "h2_client": h2_client_seeds(), "state_files": state_seeds(), "xds_session": xds_session_seeds(),
              "certificate_request": certificate_request_seeds(), "revocation_list": revocation_seeds(),
              "tls_handshake": handshake_seeds(), "http1": http1_seeds(), "first_bytes": first_bytes_seeds(), "grpc_exchange": grpc_exchange_seeds(),
              **served_seeds(), **asked_seeds(),
              "routes": {f"{n}": random.Random(n).randbytes(300 * n) for n in range(1, 5)}}
    for target in sys.argv[1:] or seeds:
        inputs = seeds[target]
        folder = HERE / "corpus" / target
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in inputs.items():
            (folder / f"seed-{name}").write_bytes(content)


if __name__ == "__main__":
    main()
