// Last good states over a restart.
#include "culvert/config/saved_objects.hpp"

#include <doctest/doctest.h>

#include "culvert/base/state_file.hpp"
#include "culvert/config/object_store.hpp"
#include "gateway_api.pb.h"

using namespace culvert;
using namespace culvert::config;
using namespace std::string_view_literals;

namespace {

constexpr std::string_view kGood = R"(apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: door, namespace: shop}
spec: {action: DENY, rules: [{from: [{source: {namespaces: [bank]}}]}]}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {l: x}}
)";

ObjectStore loaded(std::string_view text) {
  ObjectStore store;
  std::vector<ParsedFile> files;
  files.push_back(parse_file("a.yaml", text));
  store.load(std::move(files));
  REQUIRE(store.objects()->size() == 2);
  return store;
}

}  // namespace

TEST_CASE("objects come back as they were, and a bad object finds its last good state") {
  const auto before = loaded(kGood);
  const auto saved = decode_objects(encode_objects(*before.objects()));
  REQUIRE(saved);
  ObjectStore after;
  after.load(*saved);
  REQUIRE(after.objects()->size() == 2);
  for (const auto& [key, object] : *before.objects()) {
    const auto& same = after.objects()->at(key);
    CHECK(same->bytes == object->bytes);
    CHECK(same->place.to_string() == object->place.to_string());
  }
  std::string bad(kGood);
  bad.replace(bad.find("DENY"), 4, "DENI");
  std::vector<ParsedFile> files;
  files.push_back(parse_file("a.yaml", bad));
  const auto report = after.load(std::move(files));
  CHECK(report.changes.empty());
  REQUIRE(report.conditions.size() == 1);
  CHECK(report.conditions[0].reason == "LastGoodInForce");
}

TEST_CASE("saved objects that were cut or changed are refused or are valid objects") {
  const std::string good = encode_objects(*loaded(kGood).objects());
  REQUIRE(decode_objects(""));
  for (std::size_t at = 1; at < good.size(); ++at) {
    const auto cut = decode_objects(good.substr(0, at));
    if (cut && !cut->empty()) CHECK(cut->front().objects.size() < 2);  // between two objects
    std::string bad = good;
    bad[at] = static_cast<char>(~bad[at]);
    (void)decode_objects(bad);
  }
  std::string unknown = good;
  unknown.replace(unknown.find("Namespace"), 9, "Namespice");
  CHECK(decode_objects(unknown).error().code == ErrorCode::kInvalid);
}

TEST_CASE("saved objects follow the rules of the fields, as those of files do") {
  std::string text(kGood);
  text.replace(text.find("{source: {namespaces: [bank]}}"), 30,
               "{source: {ipBlocks: [10.1.0.0/16]}}");
  text.replace(text.find("rules: [{"), 9, "rules: [{to: [{operation: {ports: [\"8080\"]}}], ");
  const std::string good = encode_objects(*loaded(text).objects());
  REQUIRE(decode_objects(good));
  const std::pair<std::string_view, std::string_view> changes[] = {
      {"8080", "80x0"}, {"8080", "0000"}, {"8080", "80 \n"}, {"10.1.0.0/16", "10.1.0.0/36"}};
  for (const auto& [value, other] : changes) {
    CAPTURE(other);
    std::string bad = good;
    bad.replace(bad.find(value), value.size(), other);
    std::vector<std::string> given_up;
    const auto read = decode_objects(bad, &given_up);
    REQUIRE(read);
    CHECK(given_up == std::vector<std::string>{"AuthorizationPolicy shop/door"});
    REQUIRE(read->size() == 1);  // the others stay
    CHECK(read->front().objects.size() == 1);
    CHECK(read->front().objects.front()->key.kind == "Namespace");
  }
}

// As they were saved while allowedRoutes were field 6 of a listener, a Value: from All; and from
// Selector with kinds.
TEST_CASE("a Gateway that an older build saved keeps whom its listeners allow") {
  constexpr auto kOld =
      "\012\034gateway.networking.k8s.io/v1\022\007Gateway\032\012\012\002wp\032\004shop"
      "\042\265\001\012\020culvert-waypoint"
      "\0225\012\004mesh\030\240u\042\005HBONE"
      "2#*!\012\037\012\012namespaces\022\021*\017\012\015\012\004from\022\005\032\003All"
      "\022j\012\004more\030\240u\042\005HBONE"
      "2X*V\012\013\012\005kinds\022\0022\000\012G\012\012namespaces\0229*7"
      "\012\022\012\004from\022\012\032\010Selector"
      "\012!\012\010selector\022\025*\023\012\021\012\013matchLabels\022\002*\000"sv;
  std::string content;
  for (const auto text :
       {"KubernetesGateway"sv, "shop"sv, "wp"sv, "a.yaml"sv, "1"sv, "1"sv, kOld}) {
    append_text(content, text);
  }
  const auto saved = decode_objects(content);
  REQUIRE(saved);
  const auto& object = *saved->at(0).objects.at(0);
  const auto& gateway = static_cast<const api::gateway::Gateway&>(*object.message);
  REQUIRE(gateway.spec().listeners_size() == 2);
  CHECK(gateway.spec().listeners(0).allowed_routes().namespaces().from() == "All");
  // All of it is as of a file that says the same now.
  const auto file = parse_file("a.yaml", R"(apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: wp, namespace: shop}
spec:
  gatewayClassName: culvert-waypoint
  listeners:
  - {name: mesh, port: 15008, protocol: HBONE, allowedRoutes: {namespaces: {from: All}}}
  - name: more
    port: 15008
    protocol: HBONE
    allowedRoutes: {kinds: [], namespaces: {from: Selector, selector: {matchLabels: {}}}}
)");
  REQUIRE(file.objects.size() == 1);
  CHECK(object.bytes == file.objects[0]->bytes);
  CHECK(object.without_effect == file.objects[0]->without_effect);
}

TEST_CASE("what an older build's Gateway allowed and cannot be read is refused") {
  api::gateway::Gateway gateway;
  gateway.mutable_spec()->set_gateway_class_name("a");
  auto& listener = *gateway.mutable_spec()->add_listeners();
  listener.set_name("mesh");
  listener.set_port(15008);
  listener.set_protocol("HBONE");
  const auto read = [&] {
    std::string content;
    const std::string bytes = gateway.SerializeAsString();
    for (const std::string_view text : {"KubernetesGateway"sv, "shop"sv, "wp"sv, "a.yaml"sv, "1"sv,
                                        "1"sv, std::string_view(bytes)}) {
      append_text(content, text);
    }
    return decode_objects(content).value().size() == 1;
  };
  REQUIRE(read());
  auto& unknown = *listener.GetReflection()->MutableUnknownFields(&listener);
  unknown.AddLengthDelimited(6, "\052\177");  // a struct that is cut
  CHECK_FALSE(read());
  unknown.Clear();
  unknown.AddVarint(6, 1);
  CHECK_FALSE(read());
}
