// What control tells people.
#include "report_json.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "culvert/config/object_store.hpp"
#include "culvert/xds/resources.hpp"

using namespace culvert;
using namespace culvert::control;
using Json = nlohmann::json;

TEST_CASE("the status names each diagnostic's place, each condition and how each node does") {
  auto view = std::make_shared<View>();
  view->generation = 7;
  view->diagnostics.push_back({.file = "a.yaml",
                               .line = 3,
                               .column = 5,
                               .object = "Pod a/b",
                               .field = "spec.x",
                               .reason = "unknown field",
                               .suggestion = "y"});
  view->conditions.push_back({{"Pod", "a", "b"}, "Accepted", false, "Refused", "why"});
  xds::NodeStatus node;
  node.connected = true;
  node.acked_generation = 6;
  node.nacks = 1;
  node.last_nack = "no \xff";
  const auto json = Json::parse(status_json({view, {{"n1", node, "no socket"}}}));
  CHECK(json["generation"] == 7);
  CHECK(json["objects"] == 0);
  CHECK(json["diagnostics"][0]["line"] == 3);
  CHECK(json["diagnostics"][0]["severity"] == "error");
  CHECK(json["diagnostics"][0]["text"] == view->diagnostics[0].to_string());
  CHECK(json["conditions"][0]["kind"] == "Pod");
  CHECK(json["conditions"][0]["status"] == false);
  CHECK(json["nodes"][0]["connected"] == true);
  CHECK(json["nodes"][0]["acked_generation"] == 6);
  CHECK(json["nodes"][0]["error"] == "no socket");
}

TEST_CASE("the resources show addresses as people write them") {
  config::ObjectStore store;
  (void)store.load({config::parse_file("m.yaml", R"(
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop}
spec: {containers: [{name: c, image: i}]}
status: {podIP: 10.0.0.5, podIPs: [{ip: 10.0.0.5}, {ip: "fd00::5"}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {clusterIP: 10.96.0.1, clusterIPs: [10.96.0.1], ports: [{port: 80}]}
)")});
  xds::ResourceSet set;
  set.generation = 2;
  for (auto& [type, resources] : compile(*store.objects(), {}).resources) {
    for (auto& [name, resource] : resources)
      set.types[type][name] = {resource.version, resource.bytes};
  }
  const auto json = Json::parse(resources_json(set));
  CHECK(json["generation"] == 2);
  CHECK(json["addresses"]["Kubernetes//Pod/shop/web"]["workload"]["addresses"] ==
        Json{"10.0.0.5", "fd00::5"});
  CHECK(
      json["addresses"]["shop/web.shop.svc.cluster.local"]["service"]["addresses"][0]["address"] ==
      "10.96.0.1");
  CHECK(json["authorizations"] == Json::object());
}

TEST_CASE("a resource that cannot be read is shown as null, not left out") {
  xds::ResourceSet set;
  set.types[std::string(xds::kAddressType)]["x"] = {"1", "\xff\xff"};
  CHECK(Json::parse(resources_json(set))["addresses"]["x"].is_null());
}
