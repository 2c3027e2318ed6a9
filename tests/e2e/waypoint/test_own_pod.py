"""A waypoint's and an edge's own pod: what it may ask control for, what it gave up, the policies that select it, and
what it tells of TCP."""
import os
import pathlib
import re
import subprocess

import pytest
from flows import NODES, Mesh, client_pod, echo_pod, endpoint, front, meshed, server_pod
from lab import REPO, Lab, wait_until
from objects import authorization, source

WAYPOINT_LABEL, EDGE_LABEL = {"gateway.networking.k8s.io/gateway-name": "waypoint"}, {"istio": "ingressgateway"}
PODS = NODES + meshed("shop") + server_pod("shop", "web", "east", labels="{app: web}") + client_pod(
    "shop", "far", "west") + client_pod("shop", "near", "east") + client_pod("default", "outside", "west") + echo_pod(
    "shop", "site", "east") + echo_pod("shop", "open", "east") + front(
    "shop", "west", "[{route: [{destination: {host: open}}]}]") + """---
apiVersion: v1
kind: Service
metadata: {name: open, namespace: shop}
spec: {selector: {app: open}, ports: [{name: http, port: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop, labels: {istio.io/use-waypoint: waypoint}}
spec: {ipFamilyPolicy: PreferDualStack, selector: {app: web}, ports: [{name: tcp, port: 8080}, {name: any, port: 9090}]}
---
apiVersion: v1
kind: Service
metadata: {name: site, namespace: shop, labels: {istio.io/use-waypoint: waypoint}}
spec: {selector: {app: site}, ports: [{name: http, port: 8080}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: waypoint, namespace: shop}
spec: {gatewayClassName: culvert-waypoint, listeners: [{name: mesh, port: 15008, protocol: HBONE}]}
"""
PROXIES = ["shop/waypoint-1", "shop/edge"]
CAP_NET_BIND_SERVICE = 1 << 10

# A certificate request over the pod's own socket, by gRPC's C core: "OK" or the status.
ASK = """
import sys
sys.path.insert(0, sys.argv[1])
import citadel_pb2, grpc
request = citadel_pb2.IstioCertificateRequest(csr=sys.stdin.read())
request.metadata["ImpersonatedIdentity"] = sys.argv[2]
call = grpc.insecure_channel("unix:/run/culvert/control.sock").unary_unary(
    "/istio.v1.auth.IstioCertificateService/CreateCertificate",
    request_serializer=citadel_pb2.IstioCertificateRequest.SerializeToString,
    response_deserializer=citadel_pb2.IstioCertificateResponse.FromString)
try:
    call(request, timeout=60)
    print("OK")
except grpc.RpcError as error:
    print(error.code().name)
"""

# One HTTP connection: a request, and another one whenever a line comes on standard input.
KEEP = """
import http.client, sys
link = http.client.HTTPConnection(sys.argv[1], int(sys.argv[2]), timeout=60)
link.connect()
print("open", flush=True)
for line in sys.stdin:
    try:
        link.request("GET", "/", headers={"Host": "site.shop"})
        answer = link.getresponse()
        answer.read()
        print(answer.status, flush=True)
    except OSError as error:
        print(type(error).__name__, flush=True)
"""


@pytest.fixture(scope="module")
def mesh():
    with Lab(f"prox-own-{os.getpid()}", PODS) as lab:
        mesh = Mesh(lab, clients=["shop/far", "shop/near"])
        wait_until(lambda: lab.curl("shop/far", "http://site:8080/")[0] == 0, "the waypoint serves")
        yield mesh
        mesh.close()


class Kept:
    """A connection that stays open; ask() gives a status, or how the connection failed."""

    def __init__(self, lab, client, host, port):
        self.process = lab.popen(client, "python3", "-c", KEEP, host, str(port), stdin=subprocess.PIPE)
        assert self.process.stdout.readline() == "open\n"

    def ask(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=60)


def proxy_pid(lab, pod):
    """Of culvert-waypoint itself, by the processes of its pod's cgroup."""
    uid = lab.pod(pod)["uid"]
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if uid in (entry / "cgroup").read_text() and (entry / "comm").read_text().startswith("culvert-waypoi"):
                return int(entry.name)
        except OSError:  # it has ended meanwhile
            continue
    raise AssertionError(f"no culvert-waypoint in {pod}")


def statuses(pid):
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        lines = (task / "status").read_text().splitlines()
        yield dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def metrics(lab, pod):
    return lab.exec(pod, "curl", "-sS", "--max-time", "60", "http://127.0.0.1:15020/metrics", check=True).stdout


def cuts(lab, pod="shop/waypoint-1"):
    return int(re.search(r"^culvert_policy_cuts_total (\d+)$", metrics(lab, pod), re.M).group(1))


@pytest.mark.parametrize("pod", PROXIES)
def test_a_proxy_gets_its_own_certificate_and_nobody_elses(mesh, tmp_path, pod):
    subprocess.run(["protoc", f"--proto_path={REPO / 'lib/proto'}", f"--python_out={tmp_path}", "citadel.proto"], check=True)
    csr = subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                          "-keyout", tmp_path / "key", "-subj", "/"], text=True, capture_output=True, check=True).stdout

    def asked(account):
        done = mesh.lab.exec(pod, "/usr/bin/python3", "-c", ASK, tmp_path, f"spiffe://cluster.local/ns/shop/sa/{account}", input=csr)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()
    own = "waypoint" if pod == "shop/waypoint-1" else "edge"
    assert asked(own) == "OK"
    for other in {"waypoint", "edge", "web", "far", "near", "none"} - {own}:
        assert asked(other) == "PERMISSION_DENIED", other
    assert mesh.lab.exec(pod, "ls", "-A", "/run/culvert", check=True).stdout.split() == ["control.sock"]


@pytest.mark.parametrize("pod", PROXIES)
def test_every_thread_has_one_capability_a_filter_and_no_new_privileges(mesh, pod):
    pid = proxy_pid(mesh.lab, pod)
    seen = list(statuses(pid))
    assert len(seen) > 2
    for status in seen:
        sets = {name: int(status[name], 16) for name in ("CapEff", "CapPrm", "CapBnd", "CapInh", "CapAmb")}
        assert sets == {"CapEff": CAP_NET_BIND_SERVICE, "CapPrm": CAP_NET_BIND_SERVICE, "CapBnd": CAP_NET_BIND_SERVICE,
                        "CapInh": 0, "CapAmb": 0}, status["Name"]
        assert (status["Seccomp"], status["NoNewPrivs"]) == ("2", "1"), status["Name"]
    assert re.search(r"Max core file size +0 +0 +bytes", pathlib.Path(f"/proc/{pid}/limits").read_text())


def test_tcp_that_passes_is_told_as_a_waypoints(mesh):
    got = mesh.one("shop/far", host="web", port=8080)
    assert got["outcome"] == "answered"
    page = metrics(mesh.lab, "shop/waypoint-1")
    opened = re.findall(r'^istio_tcp_connections_opened_total\{reporter="(\w+)",', page, re.M)
    assert opened and set(opened) == {"waypoint"}, opened
    assert 'istio_tcp_connections_opened_total{reporter="waypoint",source_workload="far"' in page
    line = re.compile(rf'connection complete src\.addr={re.escape(endpoint(got["local"]))} .*direction="waypoint"')
    wait_until(lambda: line.search(mesh.lab.logs("shop/waypoint-1")), "the access log's line")


@pytest.mark.parametrize("port", [8080, 9090])
def test_tcp_is_decided_again_when_a_policy_that_selects_the_waypoint_changes(mesh, port):
    """Declared as TCP, and found out to be: its first words are no HTTP."""
    host = "web"
    opened = {client: mesh.one(client, host=host, port=port, keep=f"kept-{port}") for client in ("shop/far", "shop/near")}
    assert {got["outcome"] for got in opened.values()} == {"answered"}
    before = cuts(mesh.lab)
    with mesh.with_objects(authorization("shop", "no-far", "DENY", source(principals=["*/sa/far"]), WAYPOINT_LABEL)):
        assert mesh.one("shop/far", on=f"kept-{port}")["outcome"] == "reset"
        assert mesh.one("shop/near", on=f"kept-{port}", close=True)["outcome"] == "answered"
        wait_until(lambda: cuts(mesh.lab) == before + 1, "the cut is counted")
        assert mesh.one("shop/far", host=host, port=port)["outcome"] == "reset", "and no new one"
    said = re.compile(rf'src\.addr={re.escape(endpoint(opened["shop/far"]["local"]))} .*'
                      r'error="cut after a policy change: denied by policy" policy="shop/no-far"')
    wait_until(lambda: said.search(mesh.lab.logs("shop/waypoint-1")), "the access log's line")
    assert mesh.one("shop/far", host=host, port=port)["outcome"] == "answered"


def expect_cut(mesh, pod, host, port, client, label, rules):
    """An open HTTP connection, used before or not, serves no further request once a policy refuses its client."""
    used, fresh = Kept(mesh.lab, client, host, port), Kept(mesh.lab, client, host, port)
    assert used.ask() == "200"
    before = cuts(mesh.lab, pod)
    with mesh.with_objects(authorization("shop", "no-http", "DENY", rules, label)):
        assert used.ask() in ("ConnectionResetError", "RemoteDisconnected", "BrokenPipeError")
        assert fresh.ask() in ("ConnectionResetError", "RemoteDisconnected", "BrokenPipeError")
        wait_until(lambda: cuts(mesh.lab, pod) > before, "the cuts are counted")
        again = mesh.lab.exec(client, "curl", "-sS", "--max-time", "60", f"http://{host}:{port}/")
        assert again.returncode != 0
    wait_until(lambda: 'error="cut after a policy change: denied by policy" policy="shop/no-http"' in mesh.lab.logs(pod),
               "the access log's line")
    for kept in (used, fresh):
        kept.close()
    anew = Kept(mesh.lab, client, host, port)
    assert anew.ask() == "200"
    anew.close()


def test_the_next_request_of_an_open_http_connection_meets_the_new_policy(mesh):
    expect_cut(mesh, "shop/waypoint-1", "site", 8080, "shop/far", WAYPOINT_LABEL, source(principals=["*/sa/far"]))


def test_an_edge_asks_the_policies_that_select_it_by_address(mesh):
    address = mesh.ip("default/outside")
    expect_cut(mesh, "shop/edge", mesh.ip("shop/edge"), 80, "default/outside", EDGE_LABEL, source(ipBlocks=[f"{address}/32"]))


# One request in HTTP/1.0, whose answer's length only its end tells; then how it ended.
OLD = """
import socket, sys
link = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=60)
link.sendall(f"GET {sys.argv[3]} HTTP/1.0\\r\\nHost: site.shop\\r\\n\\r\\n".encode())
got = b""
try:
    while part := link.recv(65536):
        got += part
    end = "end"
except ConnectionResetError:
    end = "reset"
print(got.split(b" ")[1].decode() if got else "-", end)
"""


@pytest.mark.parametrize("client, way", [("shop/far", "waypoint"), ("default/outside", "edge")])
def test_an_answer_that_breaks_off_is_a_reset_and_no_end(mesh, client, way):
    host, port = ("site", 8080) if way == "waypoint" else (mesh.ip("shop/edge"), 80)

    def asked(path):
        return mesh.lab.exec(client, "python3", "-c", OLD, host, str(port), path, check=True).stdout.split()
    assert asked("/") == ["200", "end"]
    status, end = asked("/cut")
    assert status in ("200", "-") and end == "reset", (status, end)  # a reset may overtake what came before it


def test_nothing_that_a_proxy_needs_is_refused(mesh):
    assert mesh.lab.curl("shop/far", "http://site:8080/")[0] == 0
    for pod in PROXIES:
        for path in ("15000/config_dump", "15000/tap?after=0", "15000/debug/pprof/profile?seconds=1", "15020/metrics", "15021/healthz/ready"):
            mesh.lab.exec(pod, "curl", "-sSf", "-o", "/dev/null", "--max-time", "60", f"http://127.0.0.1:{path}", check=True)
        assert "sandbox: refused" not in mesh.lab.logs(pod)
