// From a folder's objects to the resources that ztunnels see, read back through the model.
#include "control/compile/compile.hpp"

#include <doctest/doctest.h>

#include "control/compile/recompile.hpp"
#include "culvert/config/object_store.hpp"
#include "culvert/mesh/route.hpp"
#include "culvert/xds/resources.hpp"

using namespace culvert;
using namespace culvert::control;

namespace {

std::string pod(const std::string& name, const std::string& ip,
                const std::string& extra_metadata = "",
                const std::string& spec =
                    "containers: [{name: c, ports: [{name: http, containerPort: "
                    "8080}]}]",
                const std::string& status = "conditions: [{type: Ready, status: \"True\"}]") {
  return "---\napiVersion: v1\nkind: Pod\nmetadata:\n  name: " + name +
         "\n  namespace: shop\n  labels: {app: web}\n  annotations: {ambient.istio.io/redirection: "
         "enabled}\n" +
         extra_metadata + "spec: {nodeName: n1, serviceAccountName: web, " + spec +
         "}\nstatus: {podIP: \"" + ip + "\", " + status + "}\n";
}

std::string service(const std::string& spec, const std::string& name = "web") {
  return "---\napiVersion: v1\nkind: Service\nmetadata: {name: " + name +
         ", namespace: shop}\nspec: " + spec + "\n";
}

constexpr const char* kNode =
    "---\napiVersion: v1\nkind: Node\nmetadata: {name: n1, labels: {topology.kubernetes.io/region: "
    "r, "
    "topology.kubernetes.io/zone: z}}\n";

std::string authn(const std::string& spec) {
  return "---\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: p, "
         "namespace: shop}\nspec: " +
         spec + "\n";
}

Compiled compiled(const std::string& yaml) {
  config::ObjectStore store;
  const auto report = store.load({config::parse_file("f.yaml", yaml)});
  for (const auto& d : report.diagnostics) MESSAGE(d.to_string());
  REQUIRE(report.diagnostics.empty());
  return compile(*store.objects(), CompileSettings());
}

mesh::SnapshotPtr mesh_of(const Compiled& c) {
  mesh::Delta delta;
  for (const auto& [name, resource] : c.resources.at(std::string(xds::kAddressType))) {
    auto address = xds::parse_address(resource.bytes, "default.domain");
    REQUIRE(address);
    if (auto* w = std::get_if<mesh::Workload>(&*address)) {
      CHECK(name == w->uid);
      delta.workloads.push_back(*w);
    } else {
      CHECK(name == std::get<mesh::Service>(*address).key());
      delta.services.push_back(std::get<mesh::Service>(*address));
    }
  }
  for (const auto& [name, resource] : c.resources.at(std::string(xds::kAuthorizationType))) {
    delta.policies.push_back(*xds::parse_authorization(resource.bytes));
  }
  return apply(mesh::Snapshot(), std::move(delta));
}

mesh::WorkloadPtr workload(const std::string& yaml, const std::string& name = "web-1") {
  auto found = mesh_of(compiled(yaml))->workload_named("shop", name);
  REQUIRE(found);
  return found;
}

constexpr const char* kKey = "shop/web.shop.svc.cluster.local";

/// Target ports of the service's endpoints, in the order of uids.
std::vector<std::uint16_t> targets(const std::string& yaml) {
  std::vector<std::uint16_t> out;
  const auto snapshot = mesh_of(compiled(yaml));
  for (const auto& e : snapshot->endpoints(kKey)) {
    for (const auto& p : e.ports) out.push_back(p.target_port);
  }
  return out;
}

}  // namespace

TEST_CASE(
    "a captured pod becomes a workload with istiod's uid, its identity and its node's place") {
  const auto w = workload(std::string(kNode) + pod("web-1", "10.0.0.1"));
  CHECK(w->uid == "Kubernetes//Pod/shop/web-1");
  CHECK(w->identity().to_string() == "spiffe://cluster.local/ns/shop/sa/web");
  CHECK(w->protocol == mesh::TunnelProtocol::kHbone);
  CHECK(w->node == "n1");
  CHECK(w->healthy);
  CHECK(w->locality == mesh::Locality{"r", "z", ""});
  CHECK(w->cluster_id == "Kubernetes");
}

TEST_CASE("only the annotation puts a pod in the mesh, and never one on the host's network") {
  auto plain = pod("web-1", "10.0.0.1");
  plain.replace(plain.find("enabled"), 7, "pending");
  CHECK(workload(plain)->protocol == mesh::TunnelProtocol::kNone);
  const auto host =
      workload(pod("web-1", "10.0.0.1", "", "hostNetwork: true, containers: [{name: c}]"));
  CHECK(host->protocol == mesh::TunnelProtocol::kNone);
  CHECK(host->host_network);
}

TEST_CASE("pods without an address and pods that ended are left out") {
  CHECK_FALSE(mesh_of(compiled(pod("web-1", "")))->workload_named("shop", "web-1"));
  CHECK_FALSE(
      mesh_of(compiled(pod("web-1", "10.0.0.1", "", "containers: [{name: c}]", "phase: Succeeded")))
          ->workload_named("shop", "web-1"));
}

TEST_CASE("a workload is healthy only with the condition Ready and while it is not being deleted") {
  const auto healthy = [](const std::string& status, const std::string& metadata = "") {
    return workload(pod("web-1", "10.0.0.1", metadata, "containers: [{name: c}]", status))->healthy;
  };
  CHECK(healthy("conditions: [{type: Ready, status: \"True\"}]"));
  CHECK_FALSE(healthy("conditions: [{type: Ready, status: \"False\"}]"));
  CHECK_FALSE(healthy("conditions: [{type: Initialized, status: \"True\"}]"));
  CHECK_FALSE(healthy("conditions: [{type: Ready, status: \"True\"}]",
                      "  deletionTimestamp: 2026-01-01T00:00:00Z\n"));
}

TEST_CASE("dual-stack pods have both addresses") {
  const auto w = workload(pod("web-1", "10.0.0.1", "", "containers: [{name: c}]",
                              "podIPs: [{ip: 10.0.0.1}, {ip: \"fd00::1\"}]"));
  CHECK(w->addresses.size() == 2);
}

TEST_CASE("telemetry names come from owners and labels") {
  using mesh::WorkloadType;
  struct Case {
    const char* metadata;
    WorkloadType type;
    const char* name;
  };
  const Case cases[] = {
      {"", WorkloadType::kPod, "web-1"},
      {"  ownerReferences: [{kind: Deployment, name: web, controller: true}]\n",
       WorkloadType::kDeployment, "web"},
      {"  ownerReferences: [{kind: ReplicaSet, name: web-5d4f, controller: true}]\n  # hash\n",
       WorkloadType::kDeployment, "web-5d4f"},
      {"  ownerReferences: [{kind: Job, name: once, controller: true}]\n", WorkloadType::kJob,
       "once"},
      {"  ownerReferences: [{kind: Job, name: tick-28111111, controller: true}]\n",
       WorkloadType::kCronJob, "tick"},
      {"  ownerReferences: [{kind: StatefulSet, name: db, controller: true}]\n", WorkloadType::kPod,
       "db"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.metadata);
    const auto w = workload(pod("web-1", "10.0.0.1", c.metadata));
    CHECK(w->workload_type == c.type);
    CHECK(w->workload_name == c.name);
    CHECK(w->canonical_name == "web");  // the label app
    CHECK(w->canonical_revision == "latest");
  }
  auto hashed = pod("web-1", "10.0.0.1",
                    "  ownerReferences: [{kind: ReplicaSet, name: web-5d4f, controller: true}]\n");
  hashed.replace(hashed.find("{app: web}"), 10, "{app: web, pod-template-hash: 5d4f, version: v2}");
  CHECK(workload(hashed)->workload_name == "web");
  CHECK(workload(hashed)->canonical_revision == "v2");
}

TEST_CASE("a service has its VIPs and TCP ports, and its pods by selector") {
  const auto snapshot = mesh_of(compiled(
      pod("web-1", "10.0.0.1") +
      service(
          "{selector: {app: web}, clusterIP: 10.96.0.1, clusterIPs: [10.96.0.1, \"fd96::1\"], "
          "ports: "
          "[{name: http, port: 80, targetPort: http}, {name: grpc-x, port: 81}, {name: dns, port: "
          "53, protocol: UDP}]}")));
  const auto s = snapshot->service(kKey);
  REQUIRE(s);
  CHECK(s->vips.size() == 2);
  REQUIRE(s->ports.size() == 2);
  CHECK(s->ports[0] == mesh::PortMapping{80, 0, mesh::AppProtocol::kHttp11});
  CHECK(s->ports[1] == mesh::PortMapping{81, 81, mesh::AppProtocol::kGrpc});
  mesh::RoundRobin state;
  const auto source = *snapshot->workload_named("shop", "web-1");
  const auto route =
      resolve_destination(*snapshot, *SocketAddress::parse("10.96.0.1:80"), source, state);
  REQUIRE(route);
  CHECK(route->target.to_string() == "10.0.0.1:8080");
}

TEST_CASE("named target ports are each pod's own, and a pod without the name does not serve") {
  const auto spec = [](const std::string& port) {
    return "containers: [{name: c, ports: [{name: http, containerPort: " + port + "}]}]";
  };
  const auto web = service("{selector: {app: web}, ports: [{port: 80, targetPort: http}]}");
  CHECK(targets(pod("a", "10.0.0.1", "", spec("8080")) + pod("b", "10.0.0.2", "", spec("9090")) +
                pod("c", "10.0.0.3", "", "containers: [{name: c}]") + web) ==
        std::vector<std::uint16_t>{8080, 9090});
}

TEST_CASE("a service without a selector or of another namespace's pods has no endpoints") {
  CHECK(targets(pod("a", "10.0.0.1") + service("{ports: [{port: 80}]}")).empty());
  CHECK(targets(pod("a", "10.0.0.1") + service("{selector: {app: db}, ports: [{port: 80}]}"))
            .empty());
  auto elsewhere = service("{selector: {app: web}, ports: [{port: 80}]}");
  elsewhere.replace(elsewhere.find("shop"), 4, "else");
  const auto snapshot = mesh_of(compiled(pod("a", "10.0.0.1") + elsewhere));
  CHECK(snapshot->service("else/web.else.svc.cluster.local"));
  CHECK(snapshot->endpoints("else/web.else.svc.cluster.local").empty());
}

TEST_CASE("slices take the place of the selector") {
  const auto slice = [](const std::string& endpoints) {
    return "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: web-x, "
           "namespace: shop, labels: {kubernetes.io/service-name: web}}\naddressType: IPv4\nports: "
           "[{name: \"\", port: 7070}]\nendpoints: " +
           endpoints + "\n";
  };
  const auto web = service("{selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}");
  const auto pods = pod("a", "10.0.0.1") + pod("b", "10.0.0.2");
  CHECK(targets(pods + web).size() == 2);
  CHECK(targets(pods + web + slice("[{addresses: [10.0.0.1], targetRef: {kind: Pod, name: a}}]")) ==
        std::vector<std::uint16_t>{7070});
  CHECK(targets(pods + web + slice("[{addresses: [10.0.0.2]}]")) ==
        std::vector<std::uint16_t>{7070});
  CHECK(
      targets(pods + web + slice("[{addresses: [10.0.0.1], conditions: {ready: false}}]")).empty());
  const auto outside = mesh_of(compiled(web + slice("[{addresses: [192.0.2.7]}]")));
  REQUIRE(outside->endpoints(kKey).size() == 1);
  CHECK(outside->endpoints(kKey)[0].workload->uid ==
        "Kubernetes/discovery.k8s.io/EndpointSlice/shop/web-x/192.0.2.7");
  CHECK(outside->endpoints(kKey)[0].workload->protocol == mesh::TunnelProtocol::kNone);
}

TEST_CASE("unready pods serve where the service publishes them") {
  const auto sick = pod("a", "10.0.0.1", "", "containers: [{name: c}]", "conditions: []");
  const auto snapshot = mesh_of(compiled(
      sick +
      service("{selector: {app: web}, publishNotReadyAddresses: true, ports: [{port: 80}]}")));
  CHECK(snapshot->service(kKey)->allow_unhealthy);
}

TEST_CASE("a workload names the policies that select it and what its mTLS mode amounts to") {
  const auto w = workload(pod("web-1", "10.0.0.1") + authn("{mtls: {mode: STRICT}}") +
                          "---\napiVersion: security.istio.io/v1\nkind: "
                          "AuthorizationPolicy\nmetadata: {name: a, namespace: "
                          "shop}\nspec: {selector: {matchLabels: {app: web}}, rules: [{}]}\n");
  CHECK(w->policies ==
        std::vector<std::string>{"istio-system/istio_converted_static_strict", "shop/a"});
}

TEST_CASE("DISABLE means plaintext to the workload, or to the ports that it names") {
  using mesh::TunnelProtocol;
  const auto at = [](const std::string& spec, std::uint16_t port) {
    return workload(pod("web-1", "10.0.0.1") + authn(spec))->protocol_for(port);
  };
  const std::string web = "{selector: {matchLabels: {app: web}}, ";
  CHECK(at("{mtls: {mode: DISABLE}}", 80) == TunnelProtocol::kNone);
  const auto some = web + "portLevelMtls: {9090: {mode: DISABLE}}}";
  CHECK(at(some, 9090) == TunnelProtocol::kNone);
  CHECK(at(some, 8080) == TunnelProtocol::kHbone);
  const auto but = web + "mtls: {mode: DISABLE}, portLevelMtls: {9090: {mode: STRICT}}}";
  CHECK(at(but, 9090) == TunnelProtocol::kHbone);
  CHECK(at(but, 8080) == TunnelProtocol::kNone);
  CHECK(at(web + "mtls: {mode: STRICT}, portLevelMtls: {9090: {mode: PERMISSIVE}}}", 9090) ==
        TunnelProtocol::kHbone);
}

TEST_CASE("compiling twice gives the same bytes, and a change touches only what it concerns") {
  const auto web = service("{selector: {app: web}, ports: [{port: 80, targetPort: http}]}");
  const auto first = compiled(pod("a", "10.0.0.1") + pod("b", "10.0.0.2") + web);
  const auto again = compiled(web + pod("b", "10.0.0.2") + pod("a", "10.0.0.1"));
  CHECK(first.resources == again.resources);
  CHECK(diff(first.resources, again.resources).empty());
  const auto changed = compiled(pod("a", "10.0.0.3") + web);
  const auto delta = diff(first.resources, changed.resources);
  REQUIRE(delta.size() == 2);
  CHECK(delta.at(std::string(xds::kLabelsType)).updated.empty());
  const auto& addresses = delta.at(std::string(xds::kAddressType));
  CHECK(addresses.updated == std::vector<std::string>{"Kubernetes//Pod/shop/a"});
  CHECK(addresses.removed == std::vector<std::string>{"Kubernetes//Pod/shop/b"});
}

TEST_CASE("versions are FNV-1a of the bytes, with 128 bits") {
  CHECK(make_resource("").version == "6c62272e07bb014262b821756295c58d");
  CHECK(make_resource("a").version == "d228cb696f1a8caf78912b704e4a8964");
  CHECK(diff({{"t", {{"n", make_resource("a")}}}}, {}).at("t").removed.size() == 1);
}

TEST_CASE("after any change what was kept and what is compiled anew are what compile() gives") {
  const auto rule = [](const std::string& name, const std::string& spec) {
    return "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: " +
           name + ", namespace: shop}\nspec: " + spec + "\n";
  };
  const std::string good = "{hosts: [web], http: [{route: [{destination: {host: web}}]}]}";
  const std::string other =
      "{hosts: [web], http: [{timeout: 1s, route: [{destination: {host: web}}]}]}";
  const auto web = service("{clusterIP: 10.0.0.1, selector: {app: web}, ports: [{port: 80}]}");
  const auto mesh = kNode + web + pod("a", "10.1.0.1");
  const std::vector<std::string> states{
      mesh,
      mesh + rule("one", good),
      mesh + rule("one", other),
      mesh + rule("one", other) + rule("two", "{hosts: [web], http: [{}]}"),  // refused
      mesh + rule("one", other) + pod("b", "10.1.0.2"),
      mesh + pod("b", "10.1.0.3") + rule("one", "{hosts: 5}"),  // its last good state
      kNode + web,
      mesh + rule("one", good)};
  config::ObjectStore store;
  Recompiler recompiler{CompileSettings()};
  for (std::size_t i = 0; i < states.size(); ++i) {
    CAPTURE(i);
    const auto report = store.load({config::parse_file("f.yaml", states[i])});
    const auto now = recompiler.compile(*store.objects(), store.refused(), report.changes);
    const auto anew = compile(*store.objects(), CompileSettings(), store.refused());
    CHECK(now.resources == anew.resources);
    CHECK(now.conditions.size() == anew.conditions.size());
  }
}
