"""Delta xDS from a folder of files, with gRPC's own client."""
import stat

import grpc

from lab import wait_until
from control import ADDRESS, AUTHORIZATION, deny, names, node, pod

WEB = "Kubernetes//Pod/shop/web"
API = "Kubernetes//Pod/shop/api"


def test_a_wildcard_subscription_gets_everything_and_then_only_differences(control, subscribe):
    control.write("mesh.yaml", node("n1"), pod("web", "n1"), deny("no-bad"))
    control.start()
    ztunnel = subscribe()
    first = ztunnel.first()
    assert names(first[ADDRESS]) == [WEB] and names(first[AUTHORIZATION]) == ["shop/no-bad"]
    control.write("api.yaml", pod("api", "n1", ip="10.0.0.6"))
    change = ztunnel.next()
    assert change.type_url == ADDRESS and names(change) == [API] and not change.removed_resources
    (control.config / "api.yaml").unlink()
    change = ztunnel.next()
    assert list(change.removed_resources) == [API] and not change.resources
    control.write("mesh.yaml", node("n1"), pod("web", "n1"), deny("no-bad", "cluster.local/ns/shop/sa/worse"))
    change = ztunnel.next()
    assert change.type_url == AUTHORIZATION and names(change) == ["shop/no-bad"]
    assert ztunnel.silent()


def test_a_reconnect_with_versions_fetches_only_what_differs(control, subscribe):
    control.write("mesh.yaml", node("n1"), pod("web", "n1"), pod("api", "n1", ip="10.0.0.6"))
    control.start()
    ztunnel = subscribe()
    ztunnel.first()
    held = ztunnel.resources
    again = subscribe(held=held).first()
    assert names(again[ADDRESS]) == [] and not again[ADDRESS].removed_resources
    control.stop()
    control.write("mesh.yaml", node("n1"), pod("web", "n1", account="other"))
    control.start()
    after = subscribe(held=held).first()
    assert names(after[ADDRESS]) == [WEB] and list(after[ADDRESS].removed_resources) == [API]


def test_sync_waits_until_every_connected_node_has_acknowledged(control, subscribe):
    control.write("mesh.yaml", node("n1"), node("n2"), pod("web", "n1"))
    control.start()
    quick, slow = subscribe("n1"), subscribe("n2")
    quick.first(), slow.first()
    assert control.sync()[0] == 200
    slow.acks = False
    control.write("api.yaml", pod("api", "n1", ip="10.0.0.6"))
    code, body = control.sync(timeout_ms=3000)
    assert code == 504
    nodes = {n["name"]: n for n in body["nodes"]}
    assert nodes["n1"]["acked_generation"] == body["generation"] > nodes["n2"]["acked_generation"]
    slow.close()
    wait_until(lambda: control.sync(timeout_ms=500)[0] == 200, "sync without the slow node")


def test_a_refusal_is_reported(control, subscribe):
    control.write("mesh.yaml", node("n1"), pod("web", "n1"))
    control.start()
    ztunnel = subscribe()
    ztunnel.first()
    ztunnel.refuse = "cannot read that"
    control.write("api.yaml", pod("api", "n1", ip="10.0.0.6"))
    ztunnel.next()
    reported = wait_until(lambda: next((n for n in control.status()["nodes"] if n["nacks"]), None), "the NACK")
    assert reported["nacks"] == 1 and "cannot read that" in reported["last_nack"]
    assert reported["acked_generation"] < control.status()["generation"]


def test_a_nodes_socket_comes_and_goes_with_its_object(control, subscribe):
    control.write("mesh.yaml", node("n1"), node("n2"))
    control.start()
    first, second = (control.sockets / f"{n}.sock" for n in ("n1", "n2"))
    assert stat.S_IMODE(first.stat().st_mode) == 0o600
    ztunnel = subscribe("n2")
    ztunnel.first()
    control.write("mesh.yaml", node("n1"))
    assert isinstance(ztunnel.next(), grpc.RpcError)
    wait_until(lambda: not second.exists(), "the socket's removal")
    control.write("mesh.yaml", node("n1"), node("n2"))
    wait_until(second.exists, "the socket's return")
    subscribe("n2").first()
    assert control.stop() == 0
    assert not first.exists() and not second.exists() and not control.admin.exists()


def test_bytes_that_are_no_request_end_the_stream_and_nothing_else(control, subscribe):
    control.write("mesh.yaml", node("n1"), pod("web", "n1"))
    control.start()
    with control.channel("n1") as channel:
        call = channel.stream_stream(
            "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources")
        try:
            list(call(iter([b"\xff\xff\xff"]), timeout=60))
            raise AssertionError("it was taken")
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert names(subscribe().first()[ADDRESS]) == [WEB]
