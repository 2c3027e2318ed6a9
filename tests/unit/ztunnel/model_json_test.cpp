// The JSON of the model against the field names and shapes that istioctl's ztunnel-config reads
// (istio/istio, istioctl/pkg/writer/ztunnel/configdump/api.go).
#include "ztunnel/admin/model_json.hpp"

#include <doctest/doctest.h>

using namespace culvert;
using namespace culvert::ztunnel;
using nlohmann::json;

namespace {

mesh::Workload web() {
  mesh::Workload w;
  w.uid = "Kubernetes//Pod/shop/web-0";
  w.name = "web-0";
  w.ns = "shop";
  w.addresses = {*IpAddress::parse("10.0.0.5"), *IpAddress::parse("fd00::5")};
  w.protocol = mesh::TunnelProtocol::kHbone;
  w.trust_domain = "cluster.local";
  w.service_account = "web";
  w.node = "east";
  w.workload_name = "web";
  w.workload_type = mesh::WorkloadType::kDeployment;
  w.canonical_name = "web";
  w.canonical_revision = "v1";
  w.cluster_id = "Kubernetes";
  w.locality = {"eu", "eu-1", ""};
  w.policies = {"shop/only-api"};
  w.services["shop/web.shop.svc.cluster.local"] = {{80, 8080}, {443, 0}};
  w.waypoint = mesh::GatewayAddress{"shop/waypoint.shop.svc.cluster.local"};
  return w;
}

mesh::Service web_service() {
  mesh::Service s;
  s.name = "web";
  s.ns = "shop";
  s.hostname = "web.shop.svc.cluster.local";
  s.vips = {{"", *IpAddress::parse("10.96.0.1")}};
  s.ports = {{80, 8080}, {443, 8443}};
  return s;
}

}  // namespace

TEST_CASE("a workload has istioctl's fields") {
  const auto out = workload_json(web());
  CHECK(out["uid"] == "Kubernetes//Pod/shop/web-0");
  CHECK(out["workloadIps"] == json::array({"10.0.0.5", "fd00::5"}));
  CHECK(out["protocol"] == "HBONE");
  CHECK(out["workloadType"] == "deployment");
  CHECK(out["locality"]["zone"] == "eu-1");
  CHECK(out["authorizationPolicies"] == json::array({"shop/only-api"}));
  CHECK(out["services"] == json::array({"shop/web.shop.svc.cluster.local"}));
  CHECK(out["waypoint"]["destination"] == "shop/waypoint.shop.svc.cluster.local");
  CHECK(out["waypoint"]["hboneMtlsPort"] == 15008);
  CHECK(out["status"] == "Healthy");
  auto other = web();
  other.healthy = false;
  other.waypoint->destination = mesh::NetworkAddress{"net", *IpAddress::parse("10.1.1.1")};
  CHECK(workload_json(other)["status"] == "Unhealthy");
  CHECK(workload_json(other)["waypoint"]["destination"] == "net/10.1.1.1");
}

TEST_CASE("a service has its VIPs by network, and each endpoint's own ports") {
  mesh::Delta delta;
  delta.workloads.push_back(web());
  delta.services.push_back(web_service());
  const auto snapshot = mesh::apply(mesh::Snapshot(), std::move(delta));
  const auto out = service_json(*snapshot->services().front(), *snapshot);
  CHECK(out["vips"] == json::array({"/10.96.0.1"}));
  CHECK(out["ports"] == json({{"80", 8080}, {"443", 8443}}));
  REQUIRE(out["endpoints"].size() == 1);
  const auto& endpoint = out["endpoints"]["Kubernetes//Pod/shop/web-0"];
  CHECK(endpoint["workloadUid"] == "Kubernetes//Pod/shop/web-0");
  CHECK(endpoint["service"] == "shop/web.shop.svc.cluster.local");
  CHECK(endpoint["address"] == "/10.0.0.5");
  CHECK(endpoint["port"] == json({{"80", 8080}, {"443", 8443}}));
}

TEST_CASE("a policy's rules are lists of lists of matches with what they name") {
  mesh::Match match;
  match.principals = {{mesh::StringMatch::Kind::kExact, "cluster.local/ns/shop/sa/web"},
                      {mesh::StringMatch::Kind::kSuffix, "/sa/api"}};
  match.not_principals = {{mesh::StringMatch::Kind::kPresence, ""}};
  match.source_ips = {*IpPrefix::parse("10.0.0.0/8")};
  match.destination_ports = {80, 443};
  match.service_accounts = {{"shop", "web"}};
  mesh::Policy policy;
  policy.ns = "shop";
  policy.name = "only-api";
  policy.scope = mesh::Policy::Scope::kWorkload;
  policy.action = mesh::Policy::Action::kDeny;
  policy.rules = {{.clauses = {{.matches = {match}}}}};
  const auto out = policy_json(policy);
  CHECK(out["scope"] == "WorkloadSelector");
  CHECK(out["action"] == "Deny");
  CHECK(out["rules"] == json::parse(R"([[[{
    "principals": [{"Exact": "cluster.local/ns/shop/sa/web"}, {"Suffix": "/sa/api"}],
    "notPrincipals": [{"Presence": []}],
    "sourceIps": ["10.0.0.0/8"],
    "destinationPorts": [80, 443],
    "serviceAccounts": [{"namespace": "shop", "serviceAccount": "web"}]}]]])"));
}
