"""A ztunnel that does not know a service of a pod yet closes the ports to which it leads, as it may have a waypoint; both families.

Between ztunnel and control stands a relay of xDS that keeps one service back, as if it were still to come.
"""
import contextlib
import os
import pathlib
import subprocess
import sys
from concurrent import futures

import grpc
import pytest

from flows import NODES, Mesh, client_pod, meshed, server_pod
from lab import REPO, Lab, wait_until

SERVICE = "shop/web.shop.svc.cluster.local"
CLIENTS = ["shop/far", "shop/near", "default/outside"]  # by tunnel, on the same node, in plaintext
WORLD = (NODES + meshed("shop") + server_pod("shop", "web", "west", labels="{app: web}") + client_pod("shop", "far", "east")
         + client_pod("shop", "near", "west") + client_pod("default", "outside", "east") + """---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {ipFamilyPolicy: PreferDualStack, selector: {app: web}, ports: [{name: tcp, port: 80, targetPort: 8080}]}
""")


class Relay(grpc.GenericRpcHandler):
    """Every call goes on to control as it is; of Address responses those called `held` are left out."""

    def __init__(self, socket, control, messages):
        self.messages, self.held, self.kept_back, self.calls = messages, {SERVICE}, 0, set()
        self.channel = grpc.insecure_channel(f"unix:{control}")
        self.server = grpc.server(futures.ThreadPoolExecutor(32))
        self.server.add_generic_rpc_handlers([self])
        self.server.add_insecure_port(f"unix:{socket}")
        self.server.start()

    def service(self, details):
        return grpc.stream_stream_rpc_method_handler(lambda requests, context: self.carry(details.method, requests, context))

    def carry(self, method, requests, context):
        call = self.channel.stream_stream(method)(requests)
        context.add_callback(call.cancel)
        self.calls.add(call)
        try:
            for response in call:
                yield self.less(response) if "Discovery" in method else response
        except grpc.RpcError as error:
            context.abort(error.code(), error.details())

    def less(self, text):
        response = self.messages.DeltaDiscoveryResponse.FromString(text)
        kept = [one for one in response.resources if one.name not in self.held]
        self.kept_back += len(response.resources) - len(kept)
        del response.resources[:]
        response.resources.extend(kept)
        return response.SerializeToString()

    def let_go(self):
        """The next stream brings what the ones before did not."""
        self.held = set()
        for call in self.calls:
            call.cancel()

    def close(self):
        self.server.stop(0).wait()
        self.channel.close()


@pytest.fixture(scope="module")
def messages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pb")
    subprocess.run(["protoc", f"--proto_path={REPO / 'lib/proto'}", f"--python_out={folder}", "discovery.proto"], check=True)
    sys.path.insert(0, str(folder))
    import discovery_pb2
    yield discovery_pb2
    sys.path.remove(str(folder))


@contextlib.contextmanager
def keeping_back(lab, node, messages, folder):
    """The node's ztunnel starts anew, without what it had kept, and asks control by way of a relay."""
    home = pathlib.Path(f"/run/culvert/lab/{lab.name}/nodes/{node}")
    link = home / "control.sock"
    control = link.resolve()
    relay = Relay(folder / "relay.sock", control, messages)
    lab.kill(f"node/{node}", "ztunnel", hold=True)
    link.unlink()
    link.symlink_to(folder / "relay.sock")
    for file in (home / "ztunnel").iterdir():
        file.unlink()
    lab.restart(f"node/{node}", "ztunnel")
    try:
        yield relay
    finally:
        link.unlink()
        link.symlink_to(control)
        relay.close()


def test_the_ports_of_a_service_that_has_not_come_are_closed_until_it_has(messages, tmp_path):
    with Lab(f"proof-late-{os.getpid()}", WORLD) as lab, contextlib.closing(Mesh(lab, CLIENTS)) as mesh:
        mesh.answered("shop/far", "shop/web", 8080)
        with keeping_back(lab, "west", messages, tmp_path) as relay:
            wait_until(lambda: mesh.flow("shop/far", "shop/web", 9090)["outcome"] == "answered", "the new ztunnel serves")
            for family in (4, 6):
                for client in CLIENTS:
                    mesh.answered(client, "shop/web", 9090, family)  # no service leads there
                    assert mesh.refused(client, "shop/web", 8080, family)["error"] == f"named service not yet known: {SERVICE}"
            assert relay.kept_back >= 1
            relay.let_go()
            wait_until(lambda: mesh.flow("shop/far", "shop/web", 8080)["outcome"] == "answered", "the service has come")
            for family in (4, 6):
                for client in CLIENTS:
                    mesh.answered(client, "shop/web", 8080, family)
