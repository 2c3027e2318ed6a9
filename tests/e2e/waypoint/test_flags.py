"""How requests end, as a real waypoint's log says it: status, flags and details of each way; over both address families. TCP too."""
import json
import os

import pytest
import yaml

from flows import NODES, client_pod, endpoint
from lab import APPS, Lab, wait_until

WAYPOINT = "shop/waypoint-1"
# A server that breaks off in different ways, by the path's first letter: answers what is no HTTP, ends, resets.
ODD = """
import socket, struct
listener = socket.create_server(("::", 8090), family=socket.AF_INET6, dualstack_ipv6=True)
while True:
    link = listener.accept()[0]
    how = link.recv(65536).split(b" ")[1][1:2]
    if how == b"g":
        link.sendall(b"what is this?\\r\\n\\r\\n")
    if how == b"r":
        link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    link.close()
"""
AFTER, BEFORE = "upstream_reset_after_response_started", "upstream_reset_before_response_started"


def to(host, port=8080):
    return {"route": [{"destination": {"host": host, "port": {"number": port}}}], "retries": {"attempts": 0}}


def always(**fault):
    return {name: {**what, "percentage": {"value": 100}} for name, what in fault.items()}


# By the path: what the rule says of it, and the log's line.
ENDS = {
    "/plain": (to("web"), "200 - via_upstream"),
    "/said": ({"directResponse": {"status": 410}}, "410 - direct_response"),
    "/moved": ({"redirect": {"uri": "/there"}}, "301 - direct_response"),
    "/abort": ({**to("web"), "fault": always(abort={"httpStatus": 418})}, "418 FI fault_filter_abort"),
    "/delay": ({**to("web"), "fault": always(delay={"fixedDelay": "0.1s"})}, "200 DI via_upstream"),
    "/sleep/30": ({**to("web"), "timeout": "0.5s"}, "504 UT response_timeout"),
    "/sleep/31": ({**to("web"), "retries": {"attempts": 1, "perTryTimeout": "0.5s"}}, "504 UT upstream_per_try_timeout"),
    "/status/503": ({**to("web"), "retries": {"attempts": 1, "retryOn": "5xx", "backoff": "1ms"}}, "503 URX via_upstream"),
    "/nobody": (to("nobody"), "503 NC cluster_not_found"),
    "/closed": (to("web", 8099), f"503 UF {BEFORE}{{remote_connection_failure}}"),
    "/empty": (to("empty"), "503 UH no_healthy_upstream"),
    "/garbage": (to("web", 8090), f"502 UPE {BEFORE}{{protocol_error}}"),
    "/end": (to("web", 8090), f"503 UC {BEFORE}{{connection_termination}}"),
    "/reset": (to("web", 8090), f"503 UC {BEFORE}{{connection_termination}}"),
    "/none": (None, "404 NR route_not_found"),
    "/cut": (to("web"), f"200 UPE {AFTER}{{protocol_error}}"),
}
RULES = [{"match": [{"uri": {"exact": path}}], **rule} for path, (rule, _) in ENDS.items() if rule]


# Services of plain TCP: where each leads, and the flags of one connection after the other, all held.
TCP = {"few": ("web", 8080, [None, "UO"]), "closed": ("web", 8099, ["UF"]), "nowhere": ("none", 8080, ["UH"])}
FEW = {"apiVersion": "networking.istio.io/v1", "kind": "DestinationRule", "metadata": {"name": "few", "namespace": "shop"},
       "spec": {"host": "few", "trafficPolicy": {"connectionPool": {"tcp": {"maxConnections": 1}}}}}
# Opens them in turn, and tells each one's own port and whether its server spoke; then ends them in order.
HOLD = """
import json, socket, sys
family = {"4": socket.AF_INET, "6": socket.AF_INET6}[sys.argv[1]]
held, told = [], []
for host, port in json.load(sys.stdin):
    to = socket.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)[0][4]
    link = socket.socket(family)
    link.settimeout(60)
    link.bind(("", 0))
    held.append(link)
    own = link.getsockname()[1]
    try:
        link.connect(to)
        link.sendall(b"GET / HTTP/1.1\\r\\nHost: web\\r\\n\\r\\n")
        told.append([own, bool(link.recv(1))])
    except OSError:
        told.append([own, False])
for link in held:
    try:
        link.shutdown(socket.SHUT_WR)
        while link.recv(65536):
            pass
    except OSError:
        pass
print(json.dumps(told))
"""


def service(name, app, *ports, protocol="http"):
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "shop"},
            "spec": {"ipFamilyPolicy": "PreferDualStack", "selector": {"app": app},
                     "ports": [{"name": f"{protocol}-{port}", "port": port} for port in ports]}}


WORLD = NODES + client_pod("shop", "client", "east") + "---\n" + yaml.safe_dump_all([
    {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}},
     "spec": {"nodeName": "west", "serviceAccountName": "web", "containers": [
         {"name": "http", "command": ["python3", f"{APPS}/http_echo.py", "8080"], "ports": [{"containerPort": 8080}]},
         {"name": "odd", "command": ["python3", "-c", ODD], "ports": [{"containerPort": 8090}]}]}},
    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": {
        "istio.io/dataplane-mode": "ambient", "istio.io/use-waypoint": "waypoint"}}},
    {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": {"name": "waypoint", "namespace": "shop"},
     "spec": {"gatewayClassName": "culvert-waypoint", "listeners": [{"name": "mesh", "port": 15008, "protocol": "HBONE"}]}},
    service("web", "web", 8080, 8090, 8099), service("empty", "none", 8080),
    *(service(name, app, port, protocol="tcp") for name, (app, port, _) in TCP.items()), FEW,
    {"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"name": "web", "namespace": "shop"},
     "spec": {"hosts": ["web"], "http": RULES}}], sort_keys=False)


@pytest.fixture(scope="module")
def lab():
    with Lab(f"proof-flags-{os.getpid()}", WORLD, flags=["--waypoint-flag=--log-format=json"]) as made:
        yield made


@pytest.fixture(params=[4, 6])
def family(request):
    return request.param


def ends_of(lab, agent):
    """By path, how the requests of one agent ended."""
    return {line["path"]: " ".join([str(line["response_code"]), ",".join(sorted(line["response_flags"].split(","))), line["response_code_details"]])
            for line in lab.log_lines(WAYPOINT) if line.get("user_agent") == agent}


@pytest.mark.parametrize("version", ["--http1.1", "--http2-prior-knowledge"])
def test_the_log_says_how_each_request_ended(lab, family, version):
    agent = f"ends{version}-{family}"
    # A curl for each: it does not use a connection of HTTP/2 again on which a stream was reset.
    lab.exec("shop/client", "sh", "-c", "".join(f"curl -s -{family} {version} -A {agent} --max-time 60 -o /dev/null http://web:8080{path};"
                                                for path in ENDS))
    said = wait_until(lambda: now if set(now := ends_of(lab, agent)) == set(ENDS) else None, "a line of each")
    assert said == {path: line for path, (_, line) in ENDS.items()}


def test_the_log_says_why_tcp_did_not_reach_its_server(lab, family):
    asked = [(name, port, flag) for name, (_, port, flags) in TCP.items() for flag in flags]
    done = lab.exec("shop/client", "python3", "-c", HOLD, str(family), input=json.dumps([one[:2] for one in asked]), check=True)
    told = json.loads(done.stdout)
    assert [spoke for _, spoke in told] == [flag is None for *_, flag in asked]
    client = lab.ips("shop/client")[0 if family == 4 else 1]
    wanted = {endpoint([client, port]): flag for (port, _), (*_, flag) in zip(told, asked, strict=True)}

    def flags():
        lines = [line for line in lab.log_lines(WAYPOINT) if line.get("src.addr") in wanted]
        return {line["src.addr"]: line.get("response_flags") for line in lines} if len(lines) == len(wanted) else None
    assert wait_until(flags, "a line of each") == wanted
