// What people write as a destination, and the address that it means.
#include "culvert/explain/destination.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "small_mesh.hpp"

using namespace culvert;
using namespace culvert::explain;

namespace {

std::expected<Destination, Unresolved> find(const char* text, bool v6 = false,
                                            const std::string& from = "web") {
  const auto snapshot = testing::SmallMesh().snapshot();
  const auto target = parse_target(text);
  REQUIRE(target.has_value());
  return find_destination(*snapshot, *snapshot->workload_named("shop", from), *target, v6);
}

std::string address(const char* text, bool v6 = false) {
  const auto found = find(text, v6);
  return found ? found->address.to_string() : found.error().text;
}

}  // namespace

TEST_CASE("names, addresses and ports are told apart") {
  CHECK(parse_target("shop/web")->host == "shop/web");
  CHECK(parse_target("web.shop:80")->port == 80);
  CHECK(parse_target("10.0.0.5:80")->host == "10.0.0.5");
  CHECK(parse_target("fd00::5")->host == "fd00::5");
  CHECK_FALSE(parse_target("fd00::5")->port);
  CHECK(parse_target("[fd00::5]:80")->port == 80);
  for (const char* bad : {"", ":80", "web:", "web:0", "web:65536", "web:http", "[fd00::5",
                          "[web]:80", "fd00::g:80", "web:80:81"})
    CHECK_FALSE_MESSAGE(parse_target(bad), bad);
}

TEST_CASE("a service is known by each form of its name") {
  for (const char* name : {"front", "front.shop", "front.shop.svc", "front.shop.svc.cluster.local",
                           "shop/front", "front:80"})
    CHECK_MESSAGE(address(name) == "10.96.0.1:80", name);
  CHECK(find("front")->service->name == "front");
  CHECK(address("front.sho") == "nothing in the mesh is called front.sho");
  CHECK(address("front.bank") == "nothing in the mesh is called front.bank");
}

TEST_CASE("a bare name is a service of the source's own namespace") {
  const auto snapshot = testing::SmallMesh().snapshot();
  const auto found = find_destination(*snapshot, *snapshot->workload_named("bank", "vault"),
                                      *parse_target("front:80"), false);
  REQUIRE_FALSE(found);
  CHECK(std::ranges::find(found.error().candidates, "front.shop") !=
        found.error().candidates.end());
}

TEST_CASE("a pod is meant by its address, of the wished family where it has one") {
  CHECK(address("shop/cart:8080") == "10.0.2.1:8080");
  CHECK(address("shop/cart:8080", true) == "[fd00:2::1]:8080");
  CHECK(address("bank/vault:8080", true) == "10.0.2.2:8080");
  CHECK(find("shop/cart")->address.port == 8080);  // the port of its only service
}

TEST_CASE("a port that cannot be guessed is asked for") {
  const auto pod = find("bank/vault");
  REQUIRE_FALSE(pod);
  CHECK(pod.error().port_missing);
  CHECK(pod.error().candidates.empty());
  CHECK(find("10.0.0.1").error().port_missing);
}

TEST_CASE("a headless service is its first ready pod, or nobody") {
  CHECK(address("bare") == "10.0.1.2:80");
  testing::SmallMesh mesh;
  mesh.pods["shop/stock"].healthy = false;
  const auto snapshot = mesh.snapshot();
  const auto found = find_destination(*snapshot, *snapshot->workload_named("shop", "web"),
                                      *parse_target("bare"), false);
  REQUIRE_FALSE(found);
  CHECK(found.error().text ==
        "service shop/bare.shop.svc.cluster.local is headless and has no ready "
        "endpoint");
}
