#include "culvert/http/path.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

using namespace culvert::http;
using enum PathNormalization;

namespace {
struct Row {
  const char* path;
  const char* base;
  const char* merged;   // nullptr: as base
  const char* decoded;  // nullptr: as merged
};

const Row kRows[] = {
    {"/", "/", nullptr, nullptr},
    {"/a/b", "/a/b", nullptr, nullptr},
    // Dot segments.
    {"/a/../b", "/b", nullptr, nullptr},
    {"/a/./b", "/a/b", nullptr, nullptr},
    {"/a/b/..", "/a/", nullptr, nullptr},
    {"/a/b/../", "/a/", nullptr, nullptr},
    {"/a/.", "/a/", nullptr, nullptr},
    {"/.", "/", nullptr, nullptr},
    {"/..", "/", nullptr, nullptr},
    {"/../../a", "/a", nullptr, nullptr},
    {"/a/../../b", "/b", nullptr, nullptr},
    {"/...", "/...", nullptr, nullptr},
    {"/a..", "/a..", nullptr, nullptr},
    {"/..a/.b", "/..a/.b", nullptr, nullptr},
    {"/a/%2e%2E/b", "/b", nullptr, nullptr},
    {"/a/.%2e/b", "/b", nullptr, nullptr},
    {"/%2e/a", "/a", nullptr, nullptr},
    {"/a\\..\\b", "/b", nullptr, nullptr},
    // Slashes.
    {"//", "//", "/", nullptr},
    {"//a///b//", "//a///b//", "/a/b/", nullptr},
    {"/a//../b", "/a/b", nullptr, nullptr},
    {"/a//..//../b", "/a/b", nullptr, nullptr},
    {"/a\\\\b", "/a//b", "/a/b", nullptr},
    {"/a%2fb", "/a%2fb", "/a%2fb", "/a/b"},
    {"/a%2F%5cb", "/a%2F%5cb", "/a%2F%5cb", "/a/b"},
    {"/a%2f..%2Fb", "/a%2f..%2Fb", "/a%2f..%2Fb", "/b"},
    {"/a%5C%2e%2e%5Cb", "/a%5C..%5Cb", "/a%5C..%5Cb", "/b"},
    {"/a%252fb", "/a%252fb", "/a%252fb", "/a%252fb"},  // decoded once only
    // Spelling.
    {"/%61%62%2D%7e%5f%30", "/ab-~_0", nullptr, nullptr},
    {"/%21%20%c3%A9", "/%21%20%c3%A9", nullptr, nullptr},
    {"/!$&'()*+,;=:@|^", "/!$&'()*+,;=:@|^", nullptr, nullptr},
    {"/{\"<`>}", "/%7B%22%3C%60%3E%7D", nullptr, nullptr},
    {"/%", "/%", nullptr, nullptr},
    {"/%2", "/%2", nullptr, nullptr},
    {"/%zz%2", "/%zz%2", nullptr, nullptr},
    // No escape comes into being that was not there.
    {"/%%61", "/%%61", nullptr, nullptr},
    {"/%%32f", "/%%32f", nullptr, nullptr},
    {"/%2%66", "/%2%66", nullptr, nullptr},
    {"/%zz%66", "/%zzf", nullptr, nullptr},
    {"/%%7a", "/%z", nullptr, nullptr},
    // The query stays as it is.
    {"/a/../b?c=/../%2e//%2f", "/b?c=/../%2e//%2f", nullptr, nullptr},
    {"/?", "/?", nullptr, nullptr},
    {"//a?//", "//a?//", "/a?//", nullptr},
    {"*", "*", nullptr, nullptr},
};
}  // namespace

TEST_CASE("paths get the form that each option names") {
  for (const Row& row : kRows) {
    CAPTURE(row.path);
    CHECK(normalized_path(row.path, kNone) == row.path);
    CHECK(normalized_path(row.path, kBase) == row.base);
    const char* merged = row.merged != nullptr ? row.merged : row.base;
    CHECK(normalized_path(row.path, kMergeSlashes) == merged);
    CHECK(normalized_path(row.path, kDecodeAndMergeSlashes) ==
          (row.decoded != nullptr ? row.decoded : merged));
  }
}

TEST_CASE("an escaped NUL in a path is refused, except where paths are left alone") {
  CHECK(normalized_path("/a%00b", kNone) == "/a%00b");
  for (const auto how : {kBase, kMergeSlashes, kDecodeAndMergeSlashes}) {
    CHECK_FALSE(normalized_path("/a%00b", how));
    CHECK(normalized_path("/a?%00", how) == "/a?%00");
  }
}

TEST_CASE("a normalized path is normal: another time changes nothing") {
  for (const Row& row : kRows) {
    CAPTURE(row.path);
    for (const auto how : {kBase, kMergeSlashes, kDecodeAndMergeSlashes}) {
      const auto once = normalized_path(row.path, how);
      REQUIRE(once);
      CHECK(normalized_path(*once, how) == once);
    }
  }
}

TEST_CASE("whether a path has another spelling is seen at each place") {
  constexpr std::string_view kAsItIs =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~:@!$&'()*+,;=%^|[]#";
  for (const std::size_t size : {1, 2, 3, 5, 7, 8, 11, 17}) {
    for (std::size_t place = 0; place < size; ++place) {
      for (int byte = 1; byte < 256; ++byte) {
        const char c = static_cast<char>(byte);
        std::string path = "/" + std::string(size, 'x');
        path[1 + place] = c;
        const bool dot = c == '.' && size == 1;  // a segment of its own
        const bool slash = c == '/' && place == 0;
        const bool kept = (kAsItIs.contains(c) && !dot) || (c == '/' && !slash) || c == '?';
        const auto merged = normalized_path(path, kMergeSlashes);
        REQUIRE(merged);
        CHECK((*merged == path) == kept);
      }
    }
  }
  for (const auto* path : {"/abcdefg//h", "/abcdefgh/./i", "/abcdefgh/..", "/abcdefg/hi/.", "//"}) {
    CHECK(normalized_path(path, kMergeSlashes) != path);
  }
}
