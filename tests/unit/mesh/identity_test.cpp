#include "culvert/mesh/identity.hpp"

#include <doctest/doctest.h>

using culvert::mesh::Identity;

TEST_CASE("a SPIFFE id survives parsing and printing") {
  const auto id = Identity::parse("spiffe://cluster.local/ns/shop/sa/web");
  REQUIRE(id);
  CHECK(id->trust_domain == "cluster.local");
  CHECK(id->ns == "shop");
  CHECK(id->service_account == "web");
  CHECK(id->to_string() == "spiffe://cluster.local/ns/shop/sa/web");
  CHECK(id->principal() == "cluster.local/ns/shop/sa/web");
}

TEST_CASE("anything but Istio's form of a SPIFFE id is refused") {
  for (const char* text :
       {"", "spiffe://", "cluster.local/ns/shop/sa/web", "spiffe://cluster.local",
        "spiffe:///ns/shop/sa/web", "spiffe://td/ns//sa/web", "spiffe://td/ns/shop/sa/",
        "spiffe://td/ns/shop/sa/web/more", "spiffe://td/ns/shop/extra/sa/web",
        "spiffe://td/x/ns/shop/sa/web", "SPIFFE://td/ns/shop/sa/web", "spiffe://td/ns/sh op/sa/web",
        "spiffe://td/ns/shop/sa/web?x", "spiffe://td/ns/shop/sa/w%65b", "spiffe://u@td/ns/a/sa/b",
        "spiffe://td/ns/shop/sa/web\n"}) {
    CAPTURE(text);
    CHECK_FALSE(Identity::parse(text));
  }
  CHECK_FALSE(Identity::parse("spiffe://td/ns/a/sa/" + std::string(Identity::kMaxLength, 'x')));
}
