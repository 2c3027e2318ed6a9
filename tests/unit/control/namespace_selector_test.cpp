// Which namespaces a Gateway's listener admits.
#include "control/compile/namespace_selector.hpp"

#include <doctest/doctest.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

using namespace culvert::control;

namespace {

google::protobuf::Value value(const std::string& json) {
  google::protobuf::Value out;
  REQUIRE(google::protobuf::util::JsonStringToMessage(json, &out).ok());
  return out;
}

/// Of namespace "shop" with the labels team: a, tier: front.
bool selects(const std::string& json) {
  const auto read = NamespaceSelector::read(value(json));
  if (!read) FAIL(read.error());
  return read->selects("shop", {{"team", "a"}, {"tier", "front"}});
}

std::string expression(const std::string& key, const std::string& op, const std::string& values) {
  return R"({"matchExpressions": [{"key": ")" + key + R"(", "operator": ")" + op + "\"" +
         (values.empty() ? "" : ", \"values\": [" + values + "]") + "}]}";
}

std::string error(const std::string& json) {
  const auto read = NamespaceSelector::read(value(json));
  return read ? "" : read.error();
}

}  // namespace

TEST_CASE("In, NotIn, Exists and DoesNotExist are Kubernetes'") {
  CHECK(selects(expression("team", "In", R"("b", "a")")));
  CHECK_FALSE(selects(expression("team", "In", R"("b")")));
  CHECK_FALSE(selects(expression("none", "In", R"("a")")));
  CHECK(selects(expression("team", "NotIn", R"("b")")));
  CHECK_FALSE(selects(expression("team", "NotIn", R"("a", "b")")));
  CHECK(selects(expression("none", "NotIn", R"("a")")));  // what has no such label
  CHECK(selects(expression("tier", "Exists", "")));
  CHECK_FALSE(selects(expression("none", "Exists", "")));
  CHECK(selects(expression("none", "DoesNotExist", "")));
  CHECK_FALSE(selects(expression("tier", "DoesNotExist", "")));
}

TEST_CASE("everything that is written must hold, and nothing written is every namespace") {
  CHECK(selects("{}"));
  CHECK(selects(R"({"matchLabels": {"team": "a", "tier": "front"}})"));
  CHECK_FALSE(selects(R"({"matchLabels": {"team": "a", "tier": "back"}})"));
  const std::string both = R"({"matchLabels": {"team": "a"}, "matchExpressions": [)";
  CHECK(selects(both + R"({"key": "tier", "operator": "In", "values": ["front"]}]})"));
  CHECK_FALSE(selects(both + R"({"key": "tier", "operator": "DoesNotExist"}]})"));
  CHECK(selects(R"({"matchLabels": {"kubernetes.io/metadata.name": "shop"}})"));
  CHECK_FALSE(selects(expression("kubernetes.io/metadata.name", "In", R"("bank")")));
  CHECK(selects(expression("kubernetes.io/metadata.name", "Exists", "")));
}

TEST_CASE("a mistake is told by its place") {
  CHECK(error("[]") == "must be an object");
  CHECK(error(R"({"matchLabel": {}})") == "matchLabel is unknown");
  CHECK(error(expression("", "In", R"("a")")) == "matchExpressions[0].key is required");
  CHECK(error(expression("a", "Has", "")) ==
        "matchExpressions[0].operator must be one of In, NotIn, Exists, DoesNotExist");
  CHECK(error(expression("a", "In", "")) ==
        "matchExpressions[0].values are required with In and NotIn");
  CHECK(error(expression("a", "Exists", R"("b")")) ==
        "matchExpressions[0].values must not be there with Exists and DoesNotExist");
  CHECK(error(expression("a", "In", "7")) == "matchExpressions[0].values must be texts");
}
