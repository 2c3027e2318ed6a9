#include "culvert/certs/describe.hpp"

#include <doctest/doctest.h>

#include "mint.hpp"

using namespace culvert;
using namespace culvert::test;

TEST_CASE("each certificate of a chain has its text, serial number and validity") {
  const auto root = mint_root();
  const auto leaf = mint_workload(root, "spiffe://cluster.local/ns/shop/sa/web");
  const auto out = certs::describe(leaf.certificate + root.certificate);
  REQUIRE(out.has_value());
  REQUIRE(out->size() == 2);
  CHECK((*out)[0].pem == leaf.certificate);
  CHECK((*out)[1].pem == root.certificate);
  const auto now = std::chrono::system_clock::now();
  for (const auto& one : *out) {
    CHECK_FALSE(one.serial.empty());
    CHECK(one.serial.find_first_not_of("0123456789") == std::string::npos);
    CHECK(one.not_before < now);
    CHECK(one.not_after > now);
  }
  CHECK((*out)[0].serial != (*out)[1].serial);
}

TEST_CASE("what is no certificate is refused") {
  CHECK_FALSE(certs::describe("-----BEGIN CERTIFICATE-----\nnope\n-----END CERTIFICATE-----\n"));
}

TEST_CASE("base64 has padding, as in RFC 4648 section 10") {
  CHECK(certs::base64("").empty());
  CHECK(certs::base64("f") == "Zg==");
  CHECK(certs::base64("fo") == "Zm8=");
  CHECK(certs::base64("foo") == "Zm9v");
  CHECK(certs::base64("foobar") == "Zm9vYmFy");
}
