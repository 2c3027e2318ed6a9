#include "culvert/tls/spiffe_id.hpp"

#include <doctest/doctest.h>

using namespace culvert::tls;

TEST_CASE("a workload's SPIFFE id survives the round trip") {
  const auto id = WorkloadId::parse("spiffe://cluster.local/ns/shop/sa/web.v1");
  REQUIRE(id);
  CHECK(id->namespace_name == "shop");
  CHECK(id->service_account == "web.v1");
  CHECK(id->to_string() == "spiffe://cluster.local/ns/shop/sa/web.v1");
  CHECK(SpiffeId::parse(id->to_string())->path == "/ns/shop/sa/web.v1");
}

TEST_CASE("malformed SPIFFE ids are refused") {
  for (const char* uri :
       {"", "spiffe://", "spiffe:///a", "spiffe://td", "spiffe://td/", "spiffe://td/a/",
        "spiffe://td//a", "spiffe://td/./a", "spiffe://td/../a", "spiffe://TD/a", "SPIFFE://td/a",
        "spiffe://td:1/a", "spiffe://u@td/a", "spiffe://td/a?q", "spiffe://td/a#f",
        "spiffe://td/%61", "spiffe://td/a b", "https://td/a", "spiffe://td/\xc3\xa9"}) {
    CAPTURE(uri);
    CHECK_FALSE(SpiffeId::parse(uri));
  }
  CHECK_FALSE(SpiffeId::parse(std::string_view("spiffe://td/a\0b", 15)));
}

TEST_CASE("the limits of SPIFFE ids hold exactly") {
  const std::string path = "/a";
  CHECK(SpiffeId::parse("spiffe://" + std::string(kMaxTrustDomainBytes, 't') + path));
  CHECK_FALSE(SpiffeId::parse("spiffe://" + std::string(kMaxTrustDomainBytes + 1, 't') + path));
  const std::string start = "spiffe://td/";
  CHECK(SpiffeId::parse(start + std::string(kMaxSpiffeIdBytes - start.size(), 'a')));
  CHECK_FALSE(SpiffeId::parse(start + std::string(kMaxSpiffeIdBytes - start.size() + 1, 'a')));
}

TEST_CASE("only Istio's form names a workload") {
  for (const char* uri :
       {"spiffe://td/ns/shop", "spiffe://td/ns/shop/sa", "spiffe://td/sa/web/ns/shop",
        "spiffe://td/ns/shop/sa/web/x", "spiffe://td/ns/Shop/sa/web", "spiffe://td/ns/-a/sa/web",
        "spiffe://td/ns/a.b/sa/web", "spiffe://td/ns/shop/sa/web-", "spiffe://td/ns/shop/sa/a..b",
        "spiffe://td/ns/shop/sa/a.-b"}) {
    CAPTURE(uri);
    CHECK_FALSE(WorkloadId::parse(uri));
  }
  CHECK_FALSE(WorkloadId::parse("spiffe://td/ns/" + std::string(64, 'n') + "/sa/web"));
}
