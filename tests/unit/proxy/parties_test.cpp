// What records share.
#include <doctest/doctest.h>

#include "culvert/proxy/parties.hpp"

using namespace culvert;
using namespace culvert::proxy;

namespace {

mesh::WorkloadPtr workload(const std::string& name) {
  mesh::Workload out;
  out.name = name;
  out.ns = "shop";
  out.canonical_name = "web";
  return std::make_shared<const mesh::Workload>(std::move(out));
}

}  // namespace

TEST_CASE("records of one workload share one party, with and without its identity") {
  Parties parties;
  const auto web = workload("web-0");
  const auto first = parties.of(web), second = parties.of(web);
  CHECK(&*first == &*second);
  CHECK(first->pod == "web-0");
  CHECK(first->identity.empty());
  const auto proved = parties.of(web, "spiffe://td/ns/shop/sa/web");
  CHECK(&*proved == &*parties.of(web, "spiffe://td/ns/shop/sa/web"));
  CHECK(proved->identity == "spiffe://td/ns/shop/sa/web");
  CHECK(proved->canonical_service == "web");
  CHECK(parties.of(web, "spiffe://td/ns/shop/sa/other")->identity ==
        "spiffe://td/ns/shop/sa/other");
  CHECK(proved->identity == "spiffe://td/ns/shop/sa/web");
}

TEST_CASE("a workload that changed is another one, and who has the old party keeps it") {
  Parties parties;
  const auto before = parties.of(workload("web-0"));
  const auto after = parties.of(workload("web-0"));
  CHECK(&*before != &*after);
  parties.clear();
  CHECK(before->pod == "web-0");
}

TEST_CASE("what is remembered is bounded") {
  Parties parties;
  for (std::size_t i = 0; i < 2 * kMaxSharedParties + 10; ++i) {
    (void)parties.of(workload("web-" + std::to_string(i)));
    CHECK(parties.size() <= kMaxSharedParties);
  }
}

TEST_CASE("records of one service share its name") {
  Parties parties;
  mesh::Service service;
  service.hostname = "web.shop.svc.cluster.local";
  service.ns = "shop";
  service.name = "web";
  const auto shared = std::make_shared<const mesh::Service>(std::move(service));
  const auto name = parties.of(shared);
  CHECK(&*name == &*parties.of(shared));
  CHECK(name->hostname == "web.shop.svc.cluster.local");
  CHECK(name->namespace_name == "shop");
  CHECK(name->name == "web");
}
