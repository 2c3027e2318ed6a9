// Last good states over a restart.
#include "culvert/config/saved_objects.hpp"

#include <doctest/doctest.h>

#include "culvert/config/object_store.hpp"

using namespace culvert;
using namespace culvert::config;

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
    if (cut) CHECK(cut->front().objects.size() < 2);  // between two objects
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
    const auto read = decode_objects(bad);
    REQUIRE_FALSE(read);
    CHECK(read.error().code == ErrorCode::kInvalid);
  }
}
