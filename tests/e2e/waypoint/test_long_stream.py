"""Long gRPC streams survive changes and replaced waypoints, while packets are lost.

With --long for ten minutes and 100 changes; CULVERT_STREAM_SECONDS=60 for as many seconds, with 100 changes too.
"""
import json
import os
import platform
import subprocess
import textwrap
import time

import pytest

from flows import NODES, client_pod, meshed
from lab import REPO, Lab, wait_until

LOST_PER_MILLE = 10
REPLICAS = ("waypoint-1", "waypoint-2")
STREAMS, MOST_STREAMS = 4, 16  # more than STREAMS only until each replica has one
SHORT_S, LONG_S = 15, 600
SHORT_CHANGES, LONG_CHANGES = 9, 100
SERVER = REPO / "tests/conformance/grpc_server.py"
PORT = 8083

WORLD = NODES + meshed("shop") + client_pod("shop", "client", "east") + textwrap.dedent(f"""\
    ---
    apiVersion: v1
    kind: Pod
    metadata: {{name: calls, namespace: shop, labels: {{app: calls}}}}
    spec:
      nodeName: west
      serviceAccountName: calls
      containers:
      - {{name: c, command: [/usr/bin/python3, {SERVER}, calls, "{PORT}"], ports: [{{containerPort: {PORT}}}]}}
    ---
    apiVersion: v1
    kind: Service
    metadata: {{name: calls, namespace: shop, labels: {{istio.io/use-waypoint: waypoint}}}}
    spec: {{selector: {{app: calls}}, ipFamilyPolicy: PreferDualStack, ports: [{{name: grpc, port: {PORT}}}]}}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {{name: waypoint, namespace: shop, annotations: {{culvert.io/replicas: "{len(REPLICAS)}"}}}}
    spec: {{gatewayClassName: culvert-waypoint, listeners: [{{name: mesh, port: 15008, protocol: HBONE}}]}}
    """)


def rules(number):
    """Others with every number: of the stream's own service, and of one more host."""
    route = {"route": [{"destination": {"host": "calls"}}], "timeout": "0s",
             "headers": {"request": {"set": {"x-change": str(number)}}}}
    objects = [("calls", {"hosts": ["calls"], "http": [{"match": [{"uri": {"prefix": f"/other{number}/"}}], **route}, route]}),
               (f"other-{number % 3}", {"hosts": [f"other{number}.shop.svc.cluster.local"], "http": [route]})]
    return "".join("---\n" + json.dumps({"apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
                                         "metadata": {"name": name, "namespace": "shop"}, "spec": spec}) + "\n"
                   for name, spec in objects)


@pytest.fixture
def lossy(tmp_path):
    """Makes a lab's nodes lose packets on their way to other nodes; a function that tells how many were."""
    program = tmp_path / "loss.o"
    subprocess.run(["clang-19", "-target", "bpf", "-O2", "-g", "-Wall", "-Werror", f"-DLOST_PER_MILLE={LOST_PER_MILLE}",
                    f"-I/usr/include/{platform.machine()}-linux-gnu", "-c", "-o", program, REPO / "tests/e2e/waypoint/loss.bpf.c"], check=True)

    def lose(lab, node):
        lab.exec(f"node/{node}", "tc", "qdisc", "add", "dev", "eth0", "clsact", check=True)
        lab.exec(f"node/{node}", "tc", "filter", "add", "dev", "eth0", "egress", "bpf", "da", "obj", program, "sec", "tc", check=True)

    def lost(lab, node):
        shown = json.loads(lab.exec(f"node/{node}", "tc", "-s", "-j", "qdisc", "show", "dev", "eth0", check=True).stdout)
        return next(one["drops"] for one in shown if one["kind"] == "clsact")
    lose.lost = lost
    return lose


def restarts(lab, replica):
    return lab.pod(f"shop/{replica}")["processes"][0]["restarts"]


def opened(lab):
    """Streams of both families in turn, so many that each replica carries some."""
    def carries(replica):  # nobody but these clients opens a tunnel to it
        return bool(lab.exec(f"shop/{replica}", "ss", "-Htn", "state", "established", "( sport = :15008 )", check=True).stdout)
    streams = []
    while len(streams) < STREAMS or not all(map(carries, REPLICAS)):
        assert len(streams) < MOST_STREAMS, "a replica gets none"
        streams.append(lab.popen("shop/client", "/usr/bin/python3", REPO / "tests/e2e/waypoint/stream_client.py", "calls", PORT,
                                 (4, 6)[len(streams) % 2], stdin=subprocess.PIPE))
        assert streams[-1].stdout.readline() == "streaming\n"
    return streams


def streams_told(lab, replica):
    """How many streams its log has; they are told at their end."""
    return lab.logs(f"shop/{replica}").count("/test.Calls/Echo HTTP/2")


def replace(lab, replica):
    """Its process is told to end, and comes back when nothing is under way in it any more."""
    lab.exec(f"shop/{replica}", "curl", "-sS", "-X", "POST", "http://127.0.0.1:15000/quitquitquit", check=True)


def test_streams_survive_changes_and_two_replaced_waypoints_while_packets_are_lost(lossy, long_run):
    wanted = os.environ.get("CULVERT_STREAM_SECONDS")
    seconds = int(wanted or (LONG_S if long_run else SHORT_S))
    changes = LONG_CHANGES if wanted or long_run else SHORT_CHANGES
    flags = ["--waypoint-flag", f"--drain-time={2 * seconds + 60}s"]  # as long as streams may last
    with Lab(f"proof-long-{os.getpid()}", WORLD + rules(0), flags=flags) as lab:
        for node in ("east", "west"):
            lossy(lab, node)
        streams = opened(lab)
        began = time.monotonic()
        for number in range(1, changes + 1):
            lab.apply(rules(number))
            if number == changes // 3:
                replace(lab, REPLICAS[0])
            if number == 2 * changes // 3:
                replace(lab, REPLICAS[1])
            time.sleep(max(0, began + seconds * number / changes - time.monotonic()))
        # Both have been told to go, and stay for what they carry; their streams have no line yet.
        assert [(restarts(lab, replica), streams_told(lab, replica)) for replica in REPLICAS] == [(0, 0)] * len(REPLICAS)
        told = [json.loads(stream.communicate("enough\n", timeout=300)[0]) for stream in streams]
        print(told, {node: lossy.lost(lab, node) for node in ("east", "west")})
        for one in told:
            assert (one["code"], one["wrong"]) == (0, 0) and one["messages"] > seconds, told
        assert lossy.lost(lab, "east") > 0 and lossy.lost(lab, "west") > 0
        wait_until(lambda: all(restarts(lab, replica) == 1 for replica in REPLICAS), "both waypoints were replaced", 120)
        carried = [streams_told(lab, replica) for replica in REPLICAS]
        assert min(carried) >= 1 and sum(carried) == len(streams), carried
