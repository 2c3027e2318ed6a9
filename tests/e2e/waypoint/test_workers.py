"""Limits and ejections of a DestinationRule are those of the process, with several data threads as with one.

Each client has an identity, and so a tunnel, of its own: the kernel spreads them over the waypoint's two workers.
"""
import collections
import json
import os

import pytest
from flows import NODES, meshed
from lab import APPS, Lab

CLIENTS = [f"client-{i}" for i in range(8)]
APPS_OF = {"good": ("versions.py", {}), "bad": ("versions.py", {"FAIL": "500"}), "stall": ("versions.py", {"STALL": "1"}),
           "few": ("greeter.py", {})}
RULES = {
    "good": {"connectionPool": {"tcp": {"maxConnections": 1}, "http": {"http1MaxPendingRequests": 1}}},
    "stall": {"connectionPool": {"tcp": {"maxConnections": 1}, "http": {"http1MaxPendingRequests": 1}}},
    "bad": {"outlierDetection": {"consecutive5xxErrors": 7, "interval": "1s", "baseEjectionTime": "900s", "maxEjectionPercent": 100}},
    "few": {"connectionPool": {"tcp": {"maxConnections": 100}}},
}
TIMEOUT_S = 20  # of a request that is not answered


def pod(name, command, env=(), account=None):
    variables = ", ".join(f'{{name: {key}, value: "{value}"}}' for key, value in dict(env).items())
    return f"""---
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: shop, labels: {{app: {name}}}}}
spec:
  nodeName: {"west" if account else "east"}
  serviceAccountName: {account or "server"}
  containers: [{{name: c, command: {json.dumps(command)}, env: [{variables}]}}]
"""


def service(name):
    port = {"name": "tcp", "port": 2525} if name == "few" else {"name": "http", "port": 80, "targetPort": 8080}
    route = {"timeout": f"{TIMEOUT_S}s", "retries": {"attempts": 0}, "route": [{"destination": {"host": name}}]}
    return "".join(f"---\n{json.dumps(one)}\n" for one in [
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "shop", "labels": {"istio.io/use-waypoint": "wp"}},
         "spec": {"selector": {"app": name}, "ports": [port]}},
        {"apiVersion": "networking.istio.io/v1", "kind": "DestinationRule", "metadata": {"name": name, "namespace": "shop"},
         "spec": {"host": name, "trafficPolicy": RULES[name]}},
        {"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"name": name, "namespace": "shop"},
         "spec": {"hosts": [name], "http": [route]}}])


WORLD = NODES + meshed("shop") + """---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: wp, namespace: shop}
spec: {gatewayClassName: culvert-waypoint, listeners: [{name: mesh, port: 15008, protocol: HBONE}]}
""" + "".join(
    pod(name, ["python3", f"{APPS}/{app}", *(["2525"] if name == "few" else [])], {"NAME": name, "VERSION": name, **env})
    for name, (app, env) in APPS_OF.items()
) + "".join(service(name) for name in APPS_OF) + "".join(pod(name, ["sleep", "100000"], account=name) for name in CLIENTS)


@pytest.fixture(scope="module")
def lab():
    with Lab(f"limits-workers-{os.getpid()}", WORLD, flags=["--waypoint-flag=--workers=2"]) as lab:
        yield lab


ASK = """
import json, sys, urllib.request, urllib.error
try:
    with urllib.request.urlopen(f"http://{sys.argv[1]}/", timeout=90) as answer:
        print(json.dumps([answer.status, answer.read().decode()]))
except urllib.error.HTTPError as answer:
    print(json.dumps([answer.code, answer.read().decode()]))
"""


def ask(lab, client, host):
    return json.loads(lab.exec(f"shop/{client}", "python3", "-c", ASK, host, check=True).stdout)


def test_an_idle_connection_of_one_worker_keeps_no_client_of_another_waiting(lab):
    for client in 2 * CLIENTS:
        assert ask(lab, client, "good")[0] == 200, client


def test_one_connection_and_one_request_that_waits_are_all_there_is(lab):
    asking = [lab.popen(f"shop/{client}", "python3", "-c", ASK, "stall") for client in CLIENTS]
    got = [json.loads(one.communicate(timeout=300)[0]) for one in asking]
    assert collections.Counter(status for status, _ in got) == {504: 2, 503: len(CLIENTS) - 2}, got
    assert all("overflow" in text for status, text in got if status == 503), got


def test_errors_in_a_row_that_several_workers_meet_eject_for_all(lab):
    got = [ask(lab, client, "bad") for client in CLIENTS + CLIENTS[:4]]
    assert [status for status, _ in got] == [500] * 7 + [503] * 5, got
    assert all("no healthy upstream" in text for status, text in got[7:]), got


# Opens connections and says how many were greeted; holds them until a line comes.
HOLD = """
import socket, sys
held, greeted = [], 0
for _ in range(int(sys.argv[1])):
    try:
        held.append(socket.create_connection(("few", 2525), timeout=90))
        greeted += held[-1].recv(3) == b"220"
    except ConnectionResetError:
        pass
print(greeted, flush=True)
sys.stdin.readline()
"""


def test_the_connection_beyond_maxconnections_is_refused_whichever_worker_has_the_others(lab):
    counts = [13] * 7 + [9]  # 100
    holding, greeted = [], []
    for client, count in zip(CLIENTS, counts):
        holding.append(lab.popen(f"shop/{client}", "python3", "-c", HOLD, count, stdin=-1))
        greeted.append(int(holding[-1].stdout.readline()))
    assert greeted == counts
    for client in CLIENTS:
        one = lab.popen(f"shop/{client}", "python3", "-c", HOLD, 1, stdin=-1)
        assert one.communicate("\n", timeout=120)[0] == "0\n", client
    # A client that is reset at once tries the other address family too.
    refused = lab.logs("shop/wp-1").count("as many connections as the service's DestinationRule allows")
    assert len(CLIENTS) <= refused <= 2 * len(CLIENTS)
    for one in holding:
        one.communicate("\n", timeout=120)
