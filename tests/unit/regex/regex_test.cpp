// What the type promises beyond RE2's own behaviour: full matches, limits, suggestions, prefixes.
#include "culvert/regex/regex.hpp"

#include <doctest/doctest.h>

using culvert::Regex;

namespace {

Regex regex(std::string_view pattern) {
  auto made = Regex::compile(pattern);
  REQUIRE(made.has_value());
  return std::move(*made);
}

}  // namespace

TEST_CASE("a pattern must match the whole text") {
  CHECK(regex("a.c").matches("abc"));
  CHECK_FALSE(regex("a.c").matches("abcd"));
  CHECK_FALSE(regex("a.c").matches("zabc"));
  CHECK(regex("\\d+$").matches("123"));
  CHECK_FALSE(regex("\\d+$").matches("a123"));
  CHECK(regex(".*").matches(""));
  CHECK(regex(".").matches("\xff"));  // a byte that is no UTF-8
}

TEST_CASE("a pattern that does not compile is refused with a reason and a suggestion") {
  struct Case {
    const char* pattern;
    const char* suggestion;
  };
  for (const auto& c : {Case{"^(.?*;)?(iPhone)(;.*)?$", "^(.*?;)?(iPhone)(;.*)?$"}, Case{"*", ".*"},
                        Case{"*.example.com", ".*.example.com"}, Case{"a**", "a*"}, Case{"a(", ""},
                        Case{"(?<x>a)(?=b)", ""}}) {
    CAPTURE(c.pattern);
    const auto made = Regex::compile(c.pattern);
    REQUIRE_FALSE(made.has_value());
    CHECK_FALSE(made.error().empty());
    CHECK(culvert::suggest_pattern(c.pattern) == c.suggestion);
  }
}

TEST_CASE("patterns are bounded in length and in memory") {
  CHECK(Regex::compile(std::string(culvert::kMaxPatternBytes, 'a')));
  CHECK_FALSE(Regex::compile(std::string(culvert::kMaxPatternBytes + 1, 'a')));
  CHECK_FALSE(Regex::compile("((a{100}){100}){100}"));
}

TEST_CASE("a rewrite uses the pattern's groups and no others") {
  const auto path = regex("^/service/([^/]+)(/.*)$");
  CHECK(path.replace_all("/service/foo/v1/api", "\\2/instance/\\1") == "/v1/api/instance/foo");
  CHECK(path.check_rewrite("\\2").empty());
  CHECK_FALSE(path.check_rewrite("\\3").empty());
  CHECK_FALSE(path.check_rewrite("\\x").empty());
  CHECK(regex("one").replace_all("/xxx/one/yyy/one/zzz", "two") == "/xxx/two/yyy/two/zzz");
}

TEST_CASE("the literal prefix is one of everything that matches") {
  CHECK(regex("/api/v1/.*").literal_prefix() == "/api/v1");
  CHECK(regex("/api/v[12]/x").literal_prefix() == "/api/v");
  CHECK(regex(".*").literal_prefix().empty());
  CHECK(regex("a|b").literal_prefix().empty());
  CHECK(regex("/a|/ab").literal_prefix() == "/a");
  CHECK(regex("(?i)/a").literal_prefix() == "/");
}
