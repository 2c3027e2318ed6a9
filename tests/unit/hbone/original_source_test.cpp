// x-culvert-source: one spelling for each value, and nothing else is read.
#include "culvert/hbone/original_source.hpp"

#include <doctest/doctest.h>

#include "culvert/hbone/headers.hpp"

using namespace culvert;
using namespace culvert::hbone;

namespace {
constexpr const char* kText = "spiffe://cluster.local/ns/shop/sa/web;10.0.0.5:41000";
constexpr const char* kText6 = "spiffe://cluster.local/ns/shop/sa/web;[fd00::5]:41000";
}  // namespace

TEST_CASE("a source is written and read in both families, whatever its identity has inside") {
  for (const std::string& text : {std::string(kText), std::string(kText6),
                                  std::string("spiffe://a/ns/b;c/sa/d;10.0.0.5:1")}) {
    const auto source = parse_original_source(text);
    REQUIRE(source);
    CHECK(*encode_original_source(*source) == text);
  }
  CHECK(parse_original_source(kText)->identity == "spiffe://cluster.local/ns/shop/sa/web");
  CHECK(parse_original_source(kText6)->address == *SocketAddress::parse("[fd00::5]:41000"));
}

TEST_CASE("what could be read in two ways, or be nobody's address, is refused") {
  for (const char* text : {"",
                           ";",
                           "spiffe://a;",
                           ";10.0.0.5:1",
                           "spiffe://;10.0.0.5:1",
                           "a/ns/b;10.0.0.5:1",
                           "SPIFFE://a/ns/b/sa/c;10.0.0.5:1",
                           "spiffe://a b;10.0.0.5:1",
                           "spiffe://a\tb;10.0.0.5:1",
                           "spiffe://\xc3\xa4;10.0.0.5:1",
                           "spiffe://a 10.0.0.5:1",
                           "spiffe://a;10.0.0.5",
                           "spiffe://a;10.0.0.5:0",
                           "spiffe://a;10.0.0.5:65536",
                           "spiffe://a;10.0.0.5:01",
                           "spiffe://a;10.0.0.5: 1",
                           "spiffe://a; 10.0.0.5:1",
                           "spiffe://a;10.0.0.5:1 ",
                           "spiffe://a;10.0.0.05:1",
                           "spiffe://a;[::ffff:10.0.0.5]:1",
                           "spiffe://a;fd00::5:1",
                           "spiffe://a;[FD00::5]:1",
                           "spiffe://a;[fd00:0::5]:1",
                           "spiffe://a;[fd00::5%eth0]:1",
                           "spiffe://a;127.0.0.1:1",
                           "spiffe://a;[::1]:1",
                           "spiffe://a;0.0.0.0:1",
                           "spiffe://a;[::]:1",
                           "spiffe://a;web.shop:1",
                           "spiffe://a;10.0.0.5:1;"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_original_source(text));
  }
}

TEST_CASE("identity and header have a longest form") {
  const std::string scheme = "spiffe://";
  const auto text_of = [&](std::size_t identity) {
    return scheme + std::string(identity - scheme.size(), 'a') + ";10.0.0.5:1";
  };
  CHECK(parse_original_source(text_of(kMaxSpiffeIdBytes)));
  CHECK_FALSE(parse_original_source(text_of(kMaxSpiffeIdBytes + 1)));
  const auto over = parse_original_source(std::string(kMaxOriginalSourceBytes + 1, 'a'));
  CHECK(over.error().code == ErrorCode::kLimit);
  CHECK_FALSE(encode_original_source(
      {scheme + std::string(kMaxSpiffeIdBytes, 'a'), *SocketAddress::parse("10.0.0.5:1")}));
}

TEST_CASE("a CONNECT carries it once; twice or malformed refuses the request") {
  Headers headers{{":method", "CONNECT"}, {":authority", "10.0.0.1:80"}};
  CHECK_FALSE(parse_connect(headers)->source);
  headers.push_back({std::string(kOriginalSourceHeader), kText});
  const auto request = parse_connect(headers);
  REQUIRE(request);
  CHECK(request->source->identity == "spiffe://cluster.local/ns/shop/sa/web");
  CHECK(*build_connect(*request) == headers);
  auto twice = headers;
  twice.push_back(twice.back());
  CHECK(parse_connect(twice).error().code == ErrorCode::kInvalid);
  headers.back().value = "unknown";
  CHECK(parse_connect(headers).error().code == ErrorCode::kInvalid);
  ConnectRequest unwritable{.authority = *Authority::parse("10.0.0.1:80")};
  unwritable.source = OriginalSource{"nobody", *SocketAddress::parse("10.0.0.5:1")};
  CHECK_FALSE(build_connect(unwritable));
}
