// -o yaml: what any parser reads back is what was put in.
#include <doctest/doctest.h>

#include "culvert/yaml_output.hpp"
#include "findings.hpp"
#include "scalar.hpp"
#include "yaml_tree.hpp"

using namespace culvert;
using namespace culvert::cli;

namespace {

config::YamlNodePtr parsed(const std::string& text) {
  config::Findings findings;
  const auto document = config::parse_document({text, 1}, findings);
  CHECK(findings.problems().empty());
  REQUIRE(document.complete);
  return document.root;
}

}  // namespace

TEST_CASE("lists and mappings nest as kubectl writes them") {
  const Json document = {{"name", "web"},
                         {"ports", {{{"port", 80}, {"target", 8080}}, {{"port", 443}}}},
                         {"empty", Json::array()},
                         {"none", nullptr},
                         {"nested", {{"deep", {{"list", {1, 2}}}}}},
                         {"lists", {{1, 2}, Json::array({"a"})}}};
  CHECK(to_yaml(document) ==
        "name: web\n"
        "ports:\n- port: 80\n  target: 8080\n- port: 443\n"
        "empty: []\n"
        "none: null\n"
        "nested:\n  deep:\n    list:\n    - 1\n    - 2\n"
        "lists:\n-\n  - 1\n  - 2\n-\n  - a\n");
  CHECK(to_yaml(Json::array()) == "[]\n");
  CHECK(to_yaml(Json("text")) == "text\n");
  CHECK(to_yaml(Json::array({{{"a", 1}}, {{"a", 2}}})) == "- a: 1\n- a: 2\n");
}

TEST_CASE("text that a parser could take for something else is quoted, and comes back as text") {
  for (const char* text : {"",
                           "true",
                           "No",
                           "on",
                           "~",
                           "null",
                           "12",
                           "1.5",
                           "1e3",
                           "0x1f",
                           "2024-01-01",
                           "12:30",
                           "- dash",
                           "a: b",
                           "a #b",
                           "#b",
                           "a:",
                           " lead",
                           "trail ",
                           "*",
                           "&x",
                           "!tag",
                           "%x",
                           "@x",
                           "`x",
                           "{a}",
                           "[a]",
                           "'q'",
                           "\"q\"",
                           "back\\slash",
                           "two\nlines",
                           "\ttab",
                           "h\xc3\xa9llo",
                           "a, b",
                           "spiffe://cluster.local/ns/shop/sa/web",
                           "shop/web",
                           "10.0.0.1",
                           "10.0.0.1:80",
                           "fd00::1",
                           "[fd00::1]:80",
                           "ALLOW shop/x matches, and decides",
                           "multi\nline\n",
                           "\n",
                           "x\n\n",
                           "y",
                           "N"}) {
    CAPTURE(text);
    const auto root = parsed(to_yaml({{"key", text}}));
    const auto* node = root->find("key");
    REQUIRE(node != nullptr);
    CHECK(node->text == text);
    CHECK(config::is_string(*node));
  }
}

TEST_CASE("plain words stay plain") {
  CHECK(to_yaml({{"identity", "spiffe://cluster.local/ns/shop/sa/web"}}) ==
        "identity: spiffe://cluster.local/ns/shop/sa/web\n");
  CHECK(to_yaml({{"ip", "10.244.0.5"}}) == "ip: 10.244.0.5\n");
}

TEST_CASE("text of several lines is a block") {
  CHECK(to_yaml({{"pem", "-----BEGIN\nabc\n-----END\n"}}) ==
        "pem: |\n  -----BEGIN\n  abc\n  -----END\n");
}
