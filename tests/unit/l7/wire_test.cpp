// API objects in Istio's wire form.
#include "culvert/l7/wire_object.hpp"

#include "destination_rule.pb.h"
#include "lab.hpp"
#include "virtual_service.pb.h"

using namespace culvert;
using namespace culvert::l7;
using namespace culvert::l7::test;
namespace v1 = istio::networking::v1alpha3;

namespace {

/// A field of a message: number, and what is in it, at most 127 bytes.
std::string field(int number, const std::string& content) {
  std::string out;
  auto tag = static_cast<unsigned>(number) << 3U | 2U;
  for (; tag > 127; tag >>= 7U) out.push_back(static_cast<char>(tag | 128U));
  out.push_back(static_cast<char>(tag));
  out.push_back(static_cast<char>(content.size()));
  return out + content;
}

std::string number(int number, char value) {
  return {static_cast<char>(number << 3), value};
}

}  // namespace

TEST_CASE("bytes by the numbers of Istio's API are read as what they are") {
  // http[0]: match uri.prefix "/a", route reviews:80 weight 5, timeout 1 s,
  // retries.attempts 4; name "n".
  const auto http =
      field(1, field(1, field(2, "/a"))) +
      field(2, field(1, field(1, "reviews") + field(3, number(1, 80))) + number(2, 5)) +
      field(6, number(1, 1)) + field(7, number(1, 4)) + std::string("\x8a\x01\x01n");
  const auto spec = field(1, "reviews") + field(3, http) + field(6, "*");
  REQUIRE(spec.size() < 128);
  // The outer lengths need two bytes.
  std::string body =
      field(1, "type.googleapis.com/istio.networking.v1alpha3.VirtualService") + field(2, spec);
  std::string two = "\x12";
  two.push_back(static_cast<char>(body.size() % 128 | 128U));
  two.push_back(static_cast<char>(body.size() / 128));
  const auto object =
      parse_virtual_service(field(1, field(1, "shop/a") + field(2, number(1, 9))) + two + body);
  REQUIRE(object);
  CHECK(object->ns == "shop");
  CHECK(object->name == "a");
  CHECK(object->created == 9);
  CHECK_FALSE(object->refused);
  Compiler compiler({"cluster.local", "istio-system", "shop"});
  compiler.put(service("shop", "reviews", {80}));
  compiler.put(*object);
  const auto table = compiler.compile();
  const Views views(Ask{"/ab"});
  Random random(1);
  const auto decision = choose_route(*table, views.target, views.request, views.client, random);
  CHECK(decision.route_name == "n");
  CHECK(decision.forward->timeout == std::chrono::seconds(1));
  CHECK(retry_policy(decision)->attempts == 4);
  CHECK(decision.destination->port == 80);
}

TEST_CASE("what is encoded is read again; our own field numbers never leave") {
  v1::VirtualService spec;
  spec.add_hosts("reviews");
  auto& rule = *spec.add_http();
  rule.add_route()->mutable_destination()->set_host("reviews");
  rule.mutable_fault()->mutable_abort()->set_http_status(500);
  rule.mutable_fault()->mutable_abort()->set_percent(10);
  const auto wire = encode_object("shop", "a", 7, spec);
  const auto object = parse_virtual_service(wire);
  REQUIRE(object);
  CHECK(object->spec->http(0).fault().abort().http_status() == 500);
  CHECK(object->spec->http(0).fault().abort().percent() == 0);
  auto without = spec;
  without.mutable_http(0)->mutable_fault()->mutable_abort()->clear_percent();
  CHECK(object->spec->SerializeAsString() == without.SerializeAsString());
  CHECK(spec.http(0).fault().abort().percent() == 10);
  CHECK(encode_object("shop", "a", 7, spec) == wire);
}

TEST_CASE("other bytes are refused; what is not honoured comes as refused") {
  v1::VirtualService spec;
  spec.add_hosts("reviews");
  spec.add_tcp();
  const auto tcp = parse_virtual_service(encode_object("shop", "a", 7, spec));
  REQUIRE(tcp);
  CHECK(tcp->refused);
  v1::DestinationRule rule;
  rule.set_host("reviews");
  const auto good = encode_object("shop", "a", 7, rule);
  CHECK_FALSE(parse_destination_rule(good)->refused);
  CHECK(
      parse_destination_rule(encode_object("shop", "a", 7, v1::DestinationRule(), true))->refused);
  CHECK(parse_virtual_service(good).error().code == ErrorCode::kProtocol);
  rule.mutable_traffic_policy()->mutable_load_balancer()->mutable_consistent_hash();
  const auto hashed = parse_destination_rule(encode_object("shop", "a", 7, rule));
  REQUIRE(hashed);
  CHECK(hashed->refused);
  CHECK(parse_virtual_service("\xff").error().code == ErrorCode::kProtocol);
  CHECK(parse_virtual_service("").error().code == ErrorCode::kProtocol);
  for (const auto& [ns, name] : {std::pair{"", ""}, std::pair{"a", ""}, std::pair{"", "a"}}) {
    CHECK(parse_virtual_service(encode_object(ns, name, 0, spec)).error().code ==
          ErrorCode::kInvalid);
  }
}
