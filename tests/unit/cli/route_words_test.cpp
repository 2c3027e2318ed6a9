// A compiled table in words: what people compare with what they wrote.
#include "culvert/route_words.hpp"

#include <doctest/doctest.h>
#include <virtual_service.pb.h>

#include "culvert/l7/compiler.hpp"
#include "culvert/mesh/workload.hpp"

using namespace culvert;

namespace {

namespace v1 = ::istio::networking::v1alpha3;

l7::RouteTablePtr table_of(const v1::VirtualService& spec) {
  l7::Compiler compiler({"cluster.local", "istio-system", "shop"});
  mesh::Service service;
  service.name = "reviews";
  service.ns = "shop";
  service.hostname = "reviews.shop.svc.cluster.local";
  service.ports = {{80, 80, mesh::AppProtocol::kHttp11}};
  compiler.put(std::make_shared<const mesh::Service>(service));
  l7::VirtualServiceObject object{"shop", "r", 0, std::make_shared<v1::VirtualService>(spec),
                                  false};
  compiler.put(std::move(object));
  return compiler.compile();
}

}  // namespace

TEST_CASE("rules stand in their order, with matches, weights and where they come from") {
  v1::VirtualService spec;
  spec.add_hosts("reviews");
  auto& first = *spec.add_http();
  auto& match = *first.add_match();
  match.mutable_uri()->set_prefix("/api");
  (*match.mutable_headers())["end-user"].set_exact("jason");
  for (const int weight : {90, 10}) {
    auto& to = *first.add_route();
    to.mutable_destination()->set_host("reviews");
    to.set_weight(weight);
  }
  first.mutable_timeout()->set_seconds(2);
  auto& last = *spec.add_http();
  last.add_route()->mutable_destination()->set_host("gone");
  const auto table = table_of(spec);
  const auto hosts = cli::hosts_of(*table->gateways.at("mesh"));
  REQUIRE(hosts.size() == 1);
  const auto& entries = hosts[0]->entries;
  REQUIRE(entries.size() == 2);
  CHECK(cli::match_words(entries[0].match) ==
        "uri prefix \"/api\", header end-user exact \"jason\"");
  const std::string reviews = "reviews.shop.svc.cluster.local";
  CHECK(cli::action_words(*entries[0].rule) ==
        reviews + " weight 90, " + reviews + " weight 10; timeout 2 s; retries 2");
  CHECK(cli::match_words(entries[1].match) == "every request");
  CHECK(cli::action_words(*entries[1].rule) ==
        "gone.shop.svc.cluster.local (no such service); retries 2");
  const auto json = cli::host_json("mesh", *hosts[0]);
  CHECK(json["rules"][0]["destinations"][1]["weight"] == 10);
  CHECK(json["rules"][1]["destinations"][0]["known"] == false);
  CHECK(json["rules"][1]["virtual_service"] == "shop/r");
  CHECK(json["objects"][0]["matches"] == 2);
}

TEST_CASE("hosts come by name, wildcards from the longest, and * last") {
  v1::VirtualService spec;
  for (const auto* host : {"*", "*.b.example", "*.a.b.example", "z.example", "y.example"}) {
    spec.add_hosts(host);
  }
  spec.add_http()->add_route()->mutable_destination()->set_host("reviews");
  std::vector<std::string> names;
  const auto table = table_of(spec);
  for (const auto& host : cli::hosts_of(*table->gateways.at("mesh"))) names.push_back(host->host);
  CHECK(names ==
        std::vector<std::string>{"y.example", "z.example", "*.a.b.example", "*.b.example", "*"});
}
