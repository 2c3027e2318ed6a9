"""What passes a waypoint: HTTP request by request, TCP as it is, and nothing is lost when one is replaced."""
import json
import os
import re
import statistics
import textwrap

import pytest

from flows import access_log, endpoint
from lab import APPS, Lab, wait_until
from mint import Mint

SCRIPTS = {
    7001: "eof,send:after your end",        # the client ends first, and still hears
    7002: "send:before your end,fin,eof",   # the server ends first, and still hears
    7003: "line,rst",                       # the server resets
    7005: "eof,rst",                        # reset in a half-closed connection
}
TALK = json.dumps(["python3", f"{APPS}/talk.py", "serve", *(f"{p}={s}" for p, s in SCRIPTS.items())])
TALK_PORTS = ", ".join(f"{{name: tcp-{port}, port: {port}}}" for port in SCRIPTS)

# A server of HTTP/2 that begins, as the protocol lets it; whoever says anything there has passed the rules by.
SETTINGS_FIRST = json.dumps(["python3", "-c", """
import socket
listener = socket.create_server(("::", 7010), family=socket.AF_INET6, dualstack_ipv6=True)
links = []
while True:
    links.append(listener.accept()[0])
    links[-1].sendall(bytes(3) + bytes([4]) + bytes(5))
"""])

# A server that accepts nobody, with a queue that is full: whoever connects hangs there.
FULL = json.dumps(["python3", "-c", """
import socket, time
listener = socket.create_server(("::", 7020), family=socket.AF_INET6, dualstack_ipv6=True, backlog=0)
held = []
for _ in range(4):
    held.append(socket.socket())
    held[-1].setblocking(False)
    held[-1].connect_ex(("127.0.0.1", 7020))
time.sleep(1000000)
"""])
FULL_SERVICE = "\n    ---\n    ".join(json.dumps(one) for one in (
    {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "full", "namespace": "shop"},
     "spec": {"selector": {"app": "web"}, "ports": [{"name": "any", "port": 7020}]}},
    {"apiVersion": "networking.istio.io/v1", "kind": "DestinationRule", "metadata": {"name": "full", "namespace": "shop"},
     "spec": {"host": "full", "trafficPolicy": {"connectionPool": {"tcp": {"maxConnections": 1, "connectTimeout": "60s"}}}}}))

# Services of the greeter, and what their DestinationRules say of TCP.
TCP_RULES = {"few": {"maxConnections": 2}, "idle": {"idleTimeout": "2s"}, "short": {"maxConnectionDuration": "2s"}}
BOUNDED = "\n    ---\n    ".join(json.dumps(one) for name, tcp in TCP_RULES.items() for one in (
    {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "shop"},
     "spec": {"selector": {"app": "web"}, "ports": [{"name": "tcp", "port": 2525}]}},
    {"apiVersion": "networking.istio.io/v1", "kind": "DestinationRule", "metadata": {"name": name, "namespace": "shop"},
     "spec": {"host": name, "trafficPolicy": {"connectionPool": {"tcp": tcp}}}}))
WORLD = textwrap.dedent(f"""\
    apiVersion: v1
    kind: Node
    metadata: {{name: east}}
    ---
    apiVersion: v1
    kind: Node
    metadata: {{name: west}}
    ---
    apiVersion: v1
    kind: Namespace
    metadata: {{name: shop, labels: {{istio.io/dataplane-mode: ambient, istio.io/use-waypoint: waypoint}}}}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {{name: waypoint, namespace: shop}}
    spec:
      gatewayClassName: culvert-waypoint
      listeners: [{{name: mesh, port: 15008, protocol: HBONE}}]
    ---
    apiVersion: v1
    kind: Pod
    metadata: {{name: client, namespace: shop}}
    spec:
      nodeName: east
      serviceAccountName: client
      containers: [{{name: sleeper, command: [sleep, "100000"]}}]
    ---
    apiVersion: v1
    kind: Pod
    metadata: {{name: web, namespace: shop, labels: {{app: web}}}}
    spec:
      nodeName: west
      serviceAccountName: web
      containers:
      - name: http
        command: [python3, {APPS}/http_echo.py, "8080"]
        ports: [{{containerPort: 8080}}]
      - name: greeter
        command: [python3, {APPS}/greeter.py, "2525"]
        ports: [{{containerPort: 2525}}]
      - name: settings-first
        command: {SETTINGS_FIRST}
        ports: [{{containerPort: 7010}}]
      - name: full
        command: {FULL}
        ports: [{{containerPort: 7020}}]
      - name: talk
        command: {TALK}
        ports: [{{containerPort: 7001}}]
    ---
    apiVersion: v1
    kind: Pod
    metadata: {{name: bare, namespace: shop, labels: {{app: bare}}}}
    spec:
      nodeName: west
      serviceAccountName: bare
      containers: [{{name: http, command: [python3, {APPS}/http_echo.py, "8080"], ports: [{{containerPort: 8080}}]}}]
    ---
    apiVersion: v1
    kind: Service
    metadata: {{name: bare, namespace: shop, labels: {{istio.io/use-waypoint: none}}}}
    spec: {{ipFamilyPolicy: PreferDualStack, selector: {{app: bare}}, ports: [{{name: http, port: 80, targetPort: 8080}}]}}
    ---
    apiVersion: v1
    kind: Pod
    metadata: {{name: bench, namespace: default}}
    spec: {{nodeName: east, containers: [{{name: sleeper, command: [sleep, "100000"]}}]}}
    ---
    apiVersion: v1
    kind: Service
    metadata: {{name: web, namespace: shop}}
    spec:
      ipFamilyPolicy: PreferDualStack
      selector: {{app: web}}
      ports: [{{name: http, port: 8080}}, {{name: any, port: 8081, targetPort: 8080}}, {{name: greet, port: 2525}},
              {{name: tcp-greet, port: 2526, targetPort: 2525}}, {{name: first, port: 7010}}, {TALK_PORTS}]
    ---
    {BOUNDED}
    ---
    {FULL_SERVICE}
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {{name: web, namespace: shop}}
    spec:
      hosts: [web]
      http:
      - match: [{{uri: {{prefix: /ruled}}}}]
        directResponse: {{status: 418}}
      - route: [{{destination: {{host: web}}, headers: {{request: {{set: {{x-rule: met}}}}}}}}]
    """)

# One connection, request after request, until a line comes on standard input; then what came of them.
KEEP_ASKING = """
import http.client, json, select, sys
answers, opened = {}, 0
link = None
while not select.select([sys.stdin], [], [], 0)[0]:
    if link is None:
        link, opened = http.client.HTTPConnection("web", 8080, timeout=60), opened + 1
    try:
        link.request("GET", "/sleep/0.02")
        answer = link.getresponse()
        answer.read()
        key = str(answer.status)
        if answer.will_close:
            link.close()
            link = None
    except Exception as error:
        key, link = repr(error), None
    answers[key] = answers.get(key, 0) + 1
print(json.dumps({"answers": answers, "opened": opened}))
"""

# Says nothing at first, then speaks HTTP: a connection that was opened ahead of its use.
LATE = """
import socket, sys, time
link = socket.create_connection(("web", int(sys.argv[1])), timeout=60)
time.sleep(0.5)
link.sendall(b"GET /late HTTP/1.1\\r\\nHost: web\\r\\nConnection: close\\r\\n\\r\\n")
got = b""
while part := link.recv(65536):
    got += part
sys.stdout.write(got.partition(b"\\r\\n\\r\\n")[2].decode())
"""


# Says part after part, each so many seconds behind the one before, and tells what comes until the end.
PARTS = """
import json, socket, sys, time
link = socket.create_connection(("web", int(sys.argv[1])), timeout=20)
got = b""
for seconds, say in json.load(sys.stdin):
    time.sleep(seconds)
    link.sendall(say.encode())
try:
    while part := link.recv(65536):
        got += part
except ConnectionResetError:
    got += b"(reset)"
sys.stdout.write(got.decode("latin-1"))
"""


# How long it takes from connect() to the server's first words, at each port in turn: a JSON list a round.
GREETED = """
import json, socket, sys, time
family = {"4": socket.AF_INET, "6": socket.AF_INET6}[sys.argv[1]]
def greeted(port):
    to = socket.getaddrinfo("web", port, family=family, type=socket.SOCK_STREAM)[0][4]
    began = time.monotonic()
    with socket.create_connection(to[:2], timeout=20) as link:
        assert link.recv(100).startswith(b"220 hello")
        return time.monotonic() - began
print(json.dumps([[greeted(int(port)) for port in sys.argv[3:]] for _ in range(int(sys.argv[2]))]))
"""
ROUNDS = 15
LONGEST_STALL_S = 0.1
TIMER_S = 0.03  # by so much a timer may be late on a machine that is not busy
SPREADS = 4

# Says each part once what the one before waits for has come, and tells all that came until the end.
STEPS = """
import json, socket, sys
link = socket.create_connection(("web", 8080), timeout=60)
got = b""
for say, until in json.load(sys.stdin):
    link.sendall(say.encode())
    while until.encode() not in got:
        got += link.recv(65536) or sys.exit("it ended")
while part := link.recv(65536):
    got += part
sys.stdout.write(got.decode())
"""


@pytest.fixture(scope="module")
def lab():
    with Lab(f"base-pass-{os.getpid()}", WORLD) as made:
        yield made


def python(lab, text, *args, **options):
    done = lab.exec("shop/client", "python3", "-c", text, *args, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def talk(lab, port, steps):
    done = lab.exec("shop/client", "python3", APPS / "talk.py", "call", "web", str(port), steps)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("family", ["-4", "-6"])
def test_http_passes_by_its_rules_and_the_server_sees_its_client(lab, family):
    done = lab.exec("shop/client", "curl", "-sS", family, "--max-time", "60", "http://web:8080/hello")
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    headers = {name.lower(): value for name, value in seen["headers"].items()}
    assert headers["x-rule"] == "met" and "x-request-id" in headers
    assert "URI=spiffe://cluster.local/ns/shop/sa/client" in headers["x-forwarded-client-cert"]
    client = next(ip for ip in lab.ips("shop/client") if (":" in ip) == (family == "-6"))
    assert seen["peer"][0] == client and seen["getpeername"][0] == client


def test_pipelined_requests_are_answered_in_order(lab):
    asked = "".join(f"GET /{n} HTTP/1.1\r\nHost: web\r\n{'Connection: close' if n == 3 else 'x: y'}\r\n\r\n" for n in (1, 2, 3))
    assert re.findall(r'"path": "(/\d)"', python(lab, STEPS, input=json.dumps([(asked, "")]))) == ["/1", "/2", "/3"]


def test_who_expects_100_gets_it_before_the_body_is_sent(lab):
    head = "POST /e HTTP/1.1\r\nHost: web\r\nExpect: 100-continue\r\nContent-Length: 5\r\nConnection: close\r\n\r\n"
    got = python(lab, STEPS, input=json.dumps([(head, "HTTP/1.1 100 Continue"), ("hello", "")]))
    assert "HTTP/1.1 200" in got and '"body": "hello"' in got


@pytest.mark.parametrize("port", [2525, 2526])
def test_a_server_that_speaks_first_is_heard(lab, port):
    said = python(lab, "import socket; link = socket.create_connection(('web', %d), timeout=60); "
                       "print(link.recv(100).decode())" % port)
    assert said.startswith("220 hello from web")


@pytest.mark.parametrize("family", [4, 6])
def test_a_server_that_speaks_first_is_stalled_for_a_tenth_of_a_second_at_most(lab, family):
    """At a port that says nothing of its protocol, beside one that says TCP: what the machine costs is in both."""
    rounds = json.loads(python(lab, GREETED, str(family), str(ROUNDS), "2525", "2526"))
    undeclared, declared = ([one[i] for one in rounds] for i in (0, 1))
    spread = statistics.median(declared) - min(declared)
    assert min(undeclared) - min(declared) <= LONGEST_STALL_S + TIMER_S + SPREADS * spread, rounds


# Opens connections one after the other, all held, and one more when the first is closed: what each heard.
HELD = """
import json, socket, sys, time
def hear():
    try:
        held.append(socket.create_connection((sys.argv[1], 2525), timeout=60))  # which a reset may meet, too
        return held[-1].recv(3).decode()
    except ConnectionResetError:
        return ""
held = []
said = [hear() for _ in range(3)]
held[0].close()
end = time.monotonic() + 60
while len(said) == 3 and time.monotonic() < end:
    said += [one for one in [hear()] if one]
print(json.dumps(said))
"""


def test_maxconnections_bounds_tcp_that_passes(lab):
    assert json.loads(python(lab, HELD, "few")) == ["220", "220", "", "220"]


# Clients that open a connection that hangs, one behind the other; each resets it, and the last looks whether it is still there.
HANGING = """
import socket, struct, time
for _ in range(3):
    link = socket.create_connection(("full", 7020), timeout=60)
    time.sleep(1)
    link.setblocking(False)
    try:
        print("ended", link.recv(1))
    except BlockingIOError:
        print("open")
    except ConnectionResetError:
        print("reset")
    link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    link.close()
    time.sleep(0.5)
"""


def test_a_client_that_goes_away_while_its_server_is_dialled_gives_its_place_back(lab):
    assert python(lab, HANGING).split() == ["open"] * 3
    assert "as many connections as" not in "".join(one for one in lab.logs("shop/waypoint-1").splitlines() if ":7020" in one)


# How long a connection lasts in which the client says a line every so often; or nothing, with 0.
LASTING = """
import socket, sys, time
pause, most = float(sys.argv[2]), float(sys.argv[3])
link = socket.create_connection((sys.argv[1], 2525), timeout=most)
link.recv(100)
began = time.monotonic()
try:
    while time.monotonic() - began < most:
        if pause:
            time.sleep(pause)
            link.sendall(b"more\\r\\n")
        if not link.recv(100):
            break
except OSError:
    pass
print(time.monotonic() - began)
"""


@pytest.mark.parametrize("host, pause, cut", [("idle", 0, True), ("idle", 0.2, False), ("short", 0.2, True)])
def test_times_of_a_destination_rule_end_tcp_that_passes(lab, host, pause, cut):
    most = 60 if cut else 5
    lasted = float(python(lab, LASTING, host, str(pause), str(most)))
    assert 1.5 < lasted < most if cut else lasted >= most


def test_a_refused_destination_rule_is_not_passed_over_for_tcp(lab):
    def late(kind, api, spec):
        return json.dumps({"apiVersion": api, "kind": kind, "metadata": {"name": "late", "namespace": "shop"}, "spec": spec})
    hear = "import socket; link = socket.create_connection(('late', 2525), timeout=60); print(link.recv(3).decode())"

    def heard():
        return lab.exec("shop/client", "python3", "-c", hear).stdout.strip()
    lab.apply(late("Service", "v1", {"selector": {"app": "web"}, "ports": [{"name": "tcp", "port": 2525}]}))
    wait_until(lambda: heard() == "220", "it is served")
    refused = {"loadBalancer": {"consistentHash": {"useSourceIp": True}}}
    lab.apply(late("DestinationRule", "networking.istio.io/v1", {"host": "late", "trafficPolicy": refused}), check=False)
    wait_until(lambda: heard() == "", "it is refused")
    wait_until(lambda: any(line.get("dst.service") == "late.shop.svc.cluster.local" and line.get("response_flags") == "CR"
                           for line in access_log(lab.logs("shop/waypoint-1"))), "its line says so")
    lab.delete("DestinationRule", "shop/late", check=False)
    wait_until(lambda: heard() == "220", "it is served again")
    lab.delete("Service", "shop/late")


@pytest.mark.parametrize("port", [8080, 8081])
def test_a_client_that_takes_its_time_still_meets_the_rules(lab, port):
    seen = json.loads(python(lab, LATE, str(port)))
    assert {name.lower() for name in seen["headers"]} >= {"x-rule", "x-request-id"}


def test_a_client_that_spoke_too_little_is_passed_on_after_a_while(lab):
    said = python(lab, "import socket; link = socket.create_connection(('web', 2525), timeout=60); "
                       "link.sendall(b'ab'); print(link.recv(100).decode())")
    assert said.startswith("220 hello from web")


REST = "/ruled HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize("parts", [
    [(0, "GE"), (0.5, "T " + REST)],                                        # begun at once
    [(0.5, "GE"), (0.1, "T"), (0.1, " "), (0.1, REST)],                     # late, and in pieces
    [(0, "G"), (2.5, "ET /ruled HT"), (0.5, REST.partition("HT")[2])],
    [(0.5, "GET\t" + REST)],
], ids=["early", "late", "very-late", "tab"])
def test_http_whose_first_line_comes_in_pieces_still_meets_the_rules(lab, parts):
    got = python(lab, PARTS, "8081", input=json.dumps(parts))
    assert got.startswith("HTTP/1.1 4") and '"peer"' not in got, "no server has answered"
    assert got.startswith("HTTP/1.1 418 ") or "\t" in parts[0][1]


def test_what_needs_no_version_is_http_too(lab):
    assert python(lab, PARTS, "8081", input=json.dumps([(0.5, "GET /old\r\n\r\n")])).startswith("HTTP/1.1 400 ")


def test_a_server_of_http2_that_begins_makes_its_client_meet_the_rules(lab):
    assert python(lab, PARTS, "7010", input=json.dumps([(0.7, "GET " + REST)])).startswith("HTTP/1.1 418 ")


def test_http_behind_a_line_that_its_server_has_answered_in_part_is_reset(lab):
    assert python(lab, PARTS, "2525", input=json.dumps([(0, "GE"), (1, "T " + REST)])).endswith("(reset)")


def test_ends_and_resets_pass_as_they_are(lab):
    assert talk(lab, 7001, "send:mine,fin,eof")["heard"][-1] == "after your end"
    assert talk(lab, 7002, "eof,send:mine,fin")["heard"][0] == "before your end"
    assert talk(lab, 7003, "send:x\\n,eof")["error"] == "ECONNRESET"
    assert talk(lab, 7005, "fin,eof")["error"] == "ECONNRESET"


# One request, of bytes that nobody would write so: its own port, how much was sent, and what came.
STRAIGHT = """
import json, socket, sys
family = {"4": socket.AF_INET, "6": socket.AF_INET6}[sys.argv[1]]
link = socket.create_connection(socket.getaddrinfo("bare", 80, family=family, type=socket.SOCK_STREAM)[0][4][:2], 20)
said = b"GET /straight HTTP/1.1\\r\\nHOST:  Bare\\r\\nX-Odd: 1\\r\\nconnection: Close\\r\\n\\r\\n"
link.sendall(said)
heard = b""
while part := link.recv(65536):
    heard += part
print(json.dumps([link.getsockname()[1], len(said), heard.decode()]))
"""


def lines_of(lab, node, client, port):
    """What a node's ztunnel logged of the connection from there."""
    return [line for line in access_log(lab.logs(f"node/{node}", "ztunnel")) if line["src.addr"] == endpoint([client, port])]


@pytest.mark.parametrize("family", [4, 6])
def test_what_has_no_waypoint_goes_straight_to_its_pod_as_if_there_were_none(lab, family):
    def counted():
        page = lab.exec("shop/waypoint-1", "curl", "-sS", "http://127.0.0.1:15020/metrics", check=True).stdout
        return [line for line in page.splitlines() if re.match("istio_(requests|tcp_connections_opened)_total", line)]
    own, client, waypoint = (lab.ips(f"shop/{name}")[0 if family == 4 else 1] for name in ("bare", "client", "waypoint-1"))
    with lab.capture("shop/waypoint-1", "tcp", "port", "15008") as there, lab.capture("shop/bare", "tcp", "port", "15008") as at_pod:
        before = counted()
        port, sent, heard = json.loads(python(lab, STRAIGHT, str(family)))
        out, = wait_until(lambda: lines_of(lab, "east", client, port), "the client's ztunnel's line")
        into, = wait_until(lambda: lines_of(lab, "west", client, port), "the server's ztunnel's line")
        assert counted() == before
    seen = json.loads(heard.partition("\r\n\r\n")[2])
    assert seen["headers"] == {"HOST": "Bare", "X-Odd": "1", "connection": "Close"} and seen["peer"] == [client, port]
    names = {"src.identity": "spiffe://cluster.local/ns/shop/sa/client", "dst.identity": "spiffe://cluster.local/ns/shop/sa/bare",
             "dst.service": "bare.shop.svc.cluster.local"}
    assert {key: out.get(key) for key in names} == names and (out["dst.addr"], out["dst.hbone_addr"]) == (
        endpoint([own, 15008]), endpoint([own, 8080]))
    assert into["src.identity"] == names["src.identity"] and "via.identity" not in into and "via.identity" not in out
    for line in (out, into):
        assert (int(line["bytes_sent"]), int(line["bytes_recv"])) == (sent, len(heard)), line
    ends = {end for pair in re.findall(r"IP6? ([\da-f.:]+)\.\d+ > ([\da-f.:]+)\.\d+:", at_pod.text) for end in pair}
    assert ends == {own, client} and waypoint not in ends, at_pod.text
    assert not any(own in line for line in there.packets()), there.text


def test_what_does_not_name_the_waypoint_is_refused_to_whoever_asks(lab, tmp_path):
    mint = Mint.of_lab(tmp_path / "lab", lab.name)
    cert, key = mint.leaf("URI:spiffe://cluster.local/ns/shop/sa/client")
    waypoint, web = lab.ips("shop/waypoint-1")[0], lab.ips("shop/web")[0]

    def status(authority):
        done = lab.exec("default/bench", "python3", APPS / "hbone_client.py", waypoint, "--roots", mint.cert,
                        "--cert", cert, "--key", key, "--authority", authority)
        return json.loads(done.stdout)["status"]
    assert status("web.shop.svc.cluster.local:8080") == 200
    for authority in ("web.shop.svc.cluster.local:9", f"{web}:8080", f"{waypoint}:15008", "203.0.113.7:80"):
        assert status(authority) == 400, authority


def test_a_waypoint_that_is_replaced_loses_no_request_of_an_open_connection(lab):
    asking = lab.popen("shop/client", "python3", "-c", KEEP_ASKING, stdin=-1)
    slow = lab.popen("shop/client", "curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "30",
                     "http://web:8080/sleep/3")
    lab.restart("waypoint", "shop/waypoint")
    lab.restart("waypoint", "shop/waypoint")
    told, _ = asking.communicate("enough\n", timeout=120)
    told = json.loads(told)
    assert set(told["answers"]) == {"200"} and told["answers"]["200"] > 10, told
    assert told["opened"] >= 2, "it moved over"
    assert slow.communicate(timeout=120)[0] == "200"
