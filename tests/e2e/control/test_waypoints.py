"""What waypoints subscribe to: labels and Istio's objects, and which conditions people see."""
import textwrap

from lab import wait_until
from control import ADDRESS, AUTHORIZATION, deny, names, node, pod
from control import waypoint as waypoint_objects

LABELS = "type.googleapis.com/culvert.workload.v1.Labels"
VIRTUAL_SERVICE = "networking.istio.io/v1/VirtualService"
DESTINATION_RULE = "networking.istio.io/v1/DestinationRule"
GATEWAY = "networking.istio.io/v1/Gateway"
SERVICE_ENTRY = "networking.istio.io/v1/ServiceEntry"
RESOURCE = "type.googleapis.com/istio.mcp.v1alpha1.Resource"


def service(name="web", labels=""):
    return textwrap.dedent(f"""\
        apiVersion: v1
        kind: Service
        metadata: {{name: {name}, namespace: shop, labels: {{{labels}}}}}
        spec: {{clusterIP: 10.96.0.1, selector: {{app: {name}}}, ports: [{{port: 80, name: http}}]}}
        """)


def virtual_service(name, host, route="web", field="route"):
    return textwrap.dedent(f"""\
        apiVersion: networking.istio.io/v1
        kind: VirtualService
        metadata: {{name: {name}, namespace: shop}}
        spec: {{hosts: [{host}], http: [{{{field}: [{{destination: {{host: {route}}}}}]}}]}}
        """)


def gateway(name="wp", labels=""):
    return textwrap.dedent(f"""\
        apiVersion: gateway.networking.k8s.io/v1
        kind: Gateway
        metadata: {{name: {name}, namespace: shop, labels: {{{labels}}}}}
        spec: {{gatewayClassName: culvert-waypoint, listeners: [{{name: mesh, port: 15008, protocol: HBONE}}]}}
        """)


def condition(control, kind, name):
    return next((c for c in control.status()["conditions"] if c["kind"] == kind and c["name"] == name), None)


def spec_of(resource):
    """Of a Resource on the wire, its metadata's name and the message within."""
    import mcp_pb2
    import virtual_service_pb2
    assert resource.resource.type_url == RESOURCE
    envelope = mcp_pb2.Resource.FromString(resource.resource.value)
    spec = virtual_service_pb2.VirtualService()
    assert envelope.body.Unpack(spec)
    return envelope.metadata.name, spec


def test_a_waypoint_gets_objects_and_labels_and_a_ztunnel_does_not(control, subscribe):
    control.write("mesh.yaml", node("n1"), pod("web", "n1").replace("  annotations", "  labels: {app: web}\n  annotations"),
                  service(), virtual_service("split", "web"))
    control.start()
    ztunnel, waypoint = subscribe(), subscribe(types=(ADDRESS, LABELS, VIRTUAL_SERVICE, DESTINATION_RULE, GATEWAY,
                                                      SERVICE_ENTRY))
    ztunnel.first()
    first = waypoint.first()
    assert names(first[LABELS]) == ["Kubernetes//Pod/shop/web"]
    assert names(first[VIRTUAL_SERVICE]) == ["shop/split"] and not names(first[DESTINATION_RULE])
    name, spec = spec_of(first[VIRTUAL_SERVICE].resources[0])
    assert name == "shop/split" and spec.http[0].route[0].destination.host == "web"
    control.write("more.yaml", virtual_service("other", "web2"))
    change = waypoint.next()
    assert change.type_url == VIRTUAL_SERVICE and names(change) == ["shop/other"]
    assert ztunnel.silent()


def test_a_waypoint_is_shown_the_policies_that_may_select_it(control, subscribe):
    control.write("mesh.yaml", node("n1"), *waypoint_objects(), deny("own"), deny("other").replace("shop}", "bank}"),
                  deny("all").replace("shop}", "istio-system}"))
    control.start()
    ztunnel, proxy = subscribe(), subscribe("shop/wp-1")
    assert names(ztunnel.first()[AUTHORIZATION]) == ["bank/other", "istio-system/all", "shop/own"]
    assert names(proxy.first()[AUTHORIZATION]) == ["istio-system/all", "shop/own"]
    control.write("more.yaml", deny("more").replace("shop}", "bank}"))
    assert names(ztunnel.next()) == ["bank/more"]
    assert proxy.silent() and control.sync()[0] == 200
    control.write("more.yaml", deny("more"))
    assert names(proxy.next()) == ["shop/more"]


def test_a_refused_object_keeps_its_last_good_state_or_refuses_its_hosts(control, subscribe):
    control.write("mesh.yaml", node("n1"), service())
    control.write("good.yaml", virtual_service("good", "web"))
    control.start()
    waypoint = subscribe(types=(VIRTUAL_SERVICE,))
    waypoint.first()
    control.write("good.yaml", virtual_service("good", "web", field="rout"))
    assert waypoint.silent()  # its last good state is what it has
    control.write("never.yaml", virtual_service("never", "web2", field="rout"))
    name, spec = spec_of(waypoint.next().resources[0])
    assert name == "shop/never" and list(spec.hosts) == ["web2"] and not spec.http
    (control.config / "never.yaml").unlink()
    assert list(waypoint.next().removed_resources) == ["shop/never"]


def test_a_label_becomes_a_waypoint_and_says_whether_it_leads_somewhere(control, subscribe):
    import workload_pb2
    control.write("mesh.yaml", node("n1"), service(labels="istio.io/use-waypoint: wp"))
    control.start()
    ztunnel = subscribe(types=(ADDRESS,))

    def waypoint_of(response):
        return workload_pb2.Address.FromString(response.resources[0].resource.value).service.waypoint
    at = waypoint_of(ztunnel.first()[ADDRESS])
    assert (at.hostname.namespace, at.hostname.hostname, at.hbone_mtls_port) == (
        "shop", "wp.shop.svc.cluster.local", 15008)
    assert condition(control, "Service", "web")["reason"] == "WaypointMissing"
    control.write("wp.yaml", gateway())
    wait_until(lambda: condition(control, "Service", "web")["reason"] == "WaypointAccepted", "the Gateway")
    assert ztunnel.silent()  # the same address: it is where nobody was before
    control.write("wp.yaml", gateway(labels="istio.io/waypoint-for: workload"))
    assert not waypoint_of(ztunnel.next()).HasField("hostname")
    assert condition(control, "Service", "web")["reason"] == "UnsupportedTrafficType"
