#include "ztunnel/admin/logging.hpp"

#include <doctest/doctest.h>

using namespace culvert;
using namespace culvert::ztunnel;

namespace {

using Query = std::map<std::string, std::string>;

std::string changed(const Query& query) {
  LogSettings initial, current;
  initial.ztunnel = log::Level::kWarn;
  current.access.off = true;
  const auto out = change_log_settings(initial, current, query);
  return out ? out->to_string() : "refused: " + out.error();
}

}  // namespace

TEST_CASE("levels are changed of both components or of one") {
  CHECK(changed({}) == "ztunnel=info,access=off");
  CHECK(changed({{"level", "debug"}}) == "ztunnel=debug,access=debug");
  CHECK(changed({{"level", "trace"}}) == "ztunnel=debug,access=debug");
  CHECK(changed({{"level", "ztunnel:error"}}) == "ztunnel=error,access=off");
  CHECK(changed({{"level", "access=warn"}}) == "ztunnel=info,access=warn");
  CHECK(changed({{"level", "debug,access:off"}}) == "ztunnel=debug,access=off");
}

TEST_CASE("a reset comes before the rest of the query") {
  CHECK(changed({{"reset", ""}}) == "ztunnel=warn,access=info");
  CHECK(changed({{"reset", ""}, {"level", "access:error"}}) == "ztunnel=warn,access=error");
}

TEST_CASE("the filter of the access log is changed, and an empty one lets everything through") {
  CHECK(changed({{"access_filter", "errors"}}) == "ztunnel=info,access=off filter=errors");
  CHECK(changed({{"access_filter", ""}}) == "ztunnel=info,access=off");
}

TEST_CASE("one mistake leaves everything as it was") {
  for (const Query& query :
       {Query{{"level", "loud"}}, Query{{"level", ""}}, Query{{"level", "info,"}, {"x", "y"}},
        Query{{"level", "off"}}, Query{{"level", "ztunnel:off"}}, Query{{"level", "xds:debug"}},
        Query{{"level", "debug,access:loud"}}, Query{{"access_filter", "nope"}},
        Query{{"levels", "debug"}}}) {
    CAPTURE(query.begin()->second);
    CHECK(changed(query).starts_with("refused: "));
  }
}
