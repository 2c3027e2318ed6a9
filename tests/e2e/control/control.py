"""culvert-control under test, and its two clients made of gRPC's C core: xDS and certificates."""
import contextlib
import http.client
import json
import os
import pathlib
import queue
import signal
import socket
import subprocess
import sys
import threading
import time

import grpc

ROOT = pathlib.Path(__file__).parents[3]
BUILD = pathlib.Path(os.environ.get("CULVERT_BUILD", ROOT / "build"))
CONTROL = BUILD / "agent" / "control" / "culvert-control"
ADDRESS = "type.googleapis.com/istio.workload.Address"
AUTHORIZATION = "type.googleapis.com/istio.security.Authorization"


def generate_protos(folder):
    """Python modules of our schemas, importable afterwards."""
    protos = ["discovery", "citadel", "workload", "authorization", "culvert_workload"]
    subprocess.run(["protoc", f"--proto_path={ROOT / 'lib/proto'}", f"--python_out={folder}"] +
                   [f"{name}.proto" for name in protos], check=True)
    sys.path.insert(0, str(folder))


def wait_until(condition, seconds=10, what="condition"):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError(f"{what} did not come true within {seconds} s")


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=20)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(self.path)


def node(name):
    return f"apiVersion: v1\nkind: Node\nmetadata: {{name: {name}}}\n"


def pod(name, on, account="web", ip="10.0.0.5", ns="shop", meshed=True):
    redirection = "enabled" if meshed else "disabled"
    return f"""apiVersion: v1
kind: Pod
metadata:
  name: {name}
  namespace: {ns}
  annotations: {{ambient.istio.io/redirection: {redirection}}}
spec:
  nodeName: {on}
  serviceAccountName: {account}
  containers: [{{name: main, image: none}}]
status:
  podIP: {ip}
  podIPs: [{{ip: {ip}}}]
  conditions: [{{type: Ready, status: "True"}}]
"""


def deny(name, principal="cluster.local/ns/shop/sa/bad"):
    return f"""apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {{name: {name}, namespace: shop}}
spec:
  action: DENY
  rules:
  - from:
    - source: {{principals: ["{principal}"]}}
"""


class Control:
    def __init__(self, folder, options=()):
        self.folder, self.options = folder, options
        self.config, self.sockets = folder / "config", folder / "nodes"
        self.state, self.admin = folder / "state", folder / "admin.sock"
        self.config.mkdir()
        self.processes = []

    def write(self, name, *documents):
        """Replaces the file in one step, as editors and Kubernetes do."""
        (self.folder / "new").write_text("---\n".join(documents))
        os.rename(self.folder / "new", self.config / name)

    def start(self, wait=True):
        log = open(self.folder / f"log.{len(self.processes)}", "wb")
        process = subprocess.Popen(
            [CONTROL, "--config-dir", self.config, "--socket-dir", self.sockets, "--state-dir", self.state,
             "--admin-socket", self.admin, *self.options], stderr=log)
        self.processes.append(process)
        if wait:
            wait_until(lambda: process.poll() is not None or self.ready(), what="readiness")
            assert process.poll() is None, self.log()
        return process

    def stop(self, how=signal.SIGTERM):
        self.processes[-1].send_signal(how)
        return self.processes[-1].wait(15)

    def log(self):
        return (self.folder / f"log.{len(self.processes) - 1}").read_text()

    def call(self, method, path):
        connection = UnixConnection(self.admin)
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, json.loads(response.read())

    def ready(self):
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.call("GET", "/healthz/ready")[0] == 200
        return False

    def status(self):
        return self.call("GET", "/status")[1]

    def sync(self, timeout_ms=5000):
        return self.call("POST", f"/sync?timeout_ms={timeout_ms}")

    def close(self):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.wait()

    def channel(self, node_name):
        return grpc.insecure_channel(f"unix:{self.sockets}/{node_name}.sock",
                                     options=[("grpc.use_local_subchannel_pool", 1)])


class Subscriber:
    """A ztunnel's xDS stream: every response is acknowledged, or refused while `refuse` is set."""

    def __init__(self, channel, held=None, types=(ADDRESS, AUTHORIZATION)):
        import discovery_pb2
        self.pb, self.channel, self.refuse, self.acks = discovery_pb2, channel, None, True
        self.requests, self.responses = queue.Queue(), queue.Queue()
        self.resources = {t: dict((held or {}).get(t, {})) for t in types}
        for url in types:
            request = self.pb.DeltaDiscoveryRequest(type_url=url)
            request.node.id = "ztunnel~10.9.0.1~ztunnel.istio-system~istio-system.svc.cluster.local"
            request.initial_resource_versions.update(self.resources[url])
            self.requests.put(request)
        call = channel.stream_stream(
            "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources",
            request_serializer=self.pb.DeltaDiscoveryRequest.SerializeToString,
            response_deserializer=self.pb.DeltaDiscoveryResponse.FromString)
        self.call = call(iter(self.requests.get, None))
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        try:
            for response in self.call:
                request = self.pb.DeltaDiscoveryRequest(type_url=response.type_url, response_nonce=response.nonce)
                if self.refuse:
                    request.error_detail.code, request.error_detail.message = 3, self.refuse
                else:
                    held = self.resources[response.type_url]
                    held.update({r.name: r.version for r in response.resources})
                    for name in response.removed_resources:
                        held.pop(name, None)
                if self.acks:
                    self.requests.put(request)
                self.responses.put(response)
        except grpc.RpcError as error:
            self.responses.put(error)

    def next(self, timeout=10):
        return self.responses.get(timeout=timeout)

    def first(self):
        """The first response of each type, by type."""
        return {r.type_url: r for r in (self.next() for _ in self.resources)}

    def silent(self, seconds=0.4):
        with contextlib.suppress(queue.Empty):
            return not self.responses.get(timeout=seconds)
        return True

    def close(self):
        self.requests.put(None)
        self.call.cancel()
        self.channel.close()


def names(response):
    return sorted(r.name for r in response.resources)
