"""culvert-control under test, and its two clients made of gRPC's C core: xDS and certificates."""
import contextlib
import os
import queue
import subprocess
import sys
import threading

import grpc

from daemon import Daemon
from lab import BUILD, REPO

CONTROL = BUILD / "agent" / "control" / "culvert-control"
ADDRESS = "type.googleapis.com/istio.workload.Address"
AUTHORIZATION = "type.googleapis.com/istio.security.Authorization"


def generate_protos(folder):
    """Python modules of our schemas, importable afterwards."""
    protos = ["discovery", "citadel", "workload", "authorization", "culvert_workload", "culvert_labels", "field_rules", "istio_type",
              "virtual_service", "destination_rule", "istio_gateway", "service_entry", "mcp"]
    subprocess.run(["protoc", f"--proto_path={REPO / 'lib/proto'}", f"--python_out={folder}"] +
                   [f"{name}.proto" for name in protos], check=True)
    sys.path.insert(0, str(folder))


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


def waypoint(name="wp"):
    """A waypoint Gateway, and its pod NAME-1 on n1."""
    return (f"apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {{name: {name}, namespace: shop}}\n"
            "spec: {gatewayClassName: culvert-waypoint, listeners: [{name: mesh, port: 15008, protocol: HBONE}]}\n",
            pod(f"{name}-1", "n1", account=name, ip="10.0.0.9", meshed=False).replace(
                "  annotations", f"  labels: {{gateway.networking.k8s.io/gateway-name: {name}}}\n  annotations"))


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


class Control(Daemon):
    def __init__(self, folder, options=()):
        self.config, self.sockets, self.state = folder / "config", folder / "nodes", folder / "state"
        self.config.mkdir()
        admin = folder / "admin.sock"
        super().__init__(folder, admin, [
            CONTROL, "--config-dir", self.config, "--socket-dir", self.sockets, "--state-dir", self.state,
            "--admin-socket", admin, *options])

    def write(self, name, *documents):
        """Replaces the file in one step, as editors and Kubernetes do."""
        (self.folder / "new").write_text("---\n".join(documents))
        os.rename(self.folder / "new", self.config / name)

    def status(self):
        return self.call("GET", "/status")[1]

    def sync(self, timeout_ms=40_000):
        return self.call("POST", f"/sync?timeout_ms={timeout_ms}")

    def close(self):
        self.end()

    def socket(self, peer):
        """Of a node, or of a proxy's pod "NS/NAME"."""
        return self.sockets / (f"pods/{peer.replace('/', '_')}/control.sock" if "/" in peer else f"{peer}.sock")

    def channel(self, peer):
        return grpc.insecure_channel(f"unix:{self.socket(peer)}",
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

    def next(self, timeout=60):
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
