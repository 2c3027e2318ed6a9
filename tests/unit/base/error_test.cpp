#include "culvert/base/error.hpp"

#include <doctest/doctest.h>

#include <cerrno>

using namespace culvert;

TEST_CASE("an errno becomes the code that fits and keeps its name in the text") {
  const auto refused = fail_errno(ECONNREFUSED, "connect to upstream", Origin::kUpstream).error();
  CHECK(refused.code == ErrorCode::kRefused);
  CHECK(refused.to_string() == "connect to upstream: refused (ECONNREFUSED)");
  CHECK(fail_errno(EACCES, "open").error().code == ErrorCode::kSystem);
}

TEST_CASE("every error code has a row in the table") {
  for (int i = 0; i < kErrorCodeCount; ++i) {
    const auto& row = error_info(static_cast<ErrorCode>(i));
    REQUIRE(row.name != nullptr);
    CHECK(row.http_status >= 400);
  }
}
