#include "culvert/base/ip.hpp"

#include <doctest/doctest.h>

using namespace culvert;

TEST_CASE("IPv4 and its mapped form are one address") {
  const auto plain = IpAddress::parse("10.1.2.3");
  REQUIRE(plain);
  CHECK(plain == IpAddress::parse("::ffff:10.1.2.3"));
  CHECK(plain->is_v4());
  CHECK(plain->to_string() == "10.1.2.3");
  CHECK(plain->to_wire_bytes().size() == 4);
}

TEST_CASE("malformed addresses are refused") {
  for (const char* text : {"", "10.1.2", "10.1.2.256", "fe80::1%eth0", "::g", "10.0.0.1/8"}) {
    CHECK_FALSE(IpAddress::parse(text));
  }
  for (const char* text : {"10.0.0.1", "10.0.0.1:", "10.0.0.1:65536", "fd00::1:80", "[fd00::1]"}) {
    CHECK_FALSE(SocketAddress::parse(text));
  }
  for (const char* text : {"10.0.0.0/33", "10.0.0.0/", "fd00::/129", "10.0.0.0/-1"}) {
    CHECK_FALSE(IpPrefix::parse(text));
  }
}

TEST_CASE("a prefix contains its own family only") {
  const auto ten = *IpPrefix::parse("10.0.0.0/9");
  CHECK(ten.contains(*IpAddress::parse("10.127.255.255")));
  CHECK_FALSE(ten.contains(*IpAddress::parse("10.128.0.0")));
  const auto all_v6 = *IpPrefix::parse("::/0");
  CHECK(all_v6.contains(*IpAddress::parse("fd00::1")));
  CHECK_FALSE(all_v6.contains(*IpAddress::parse("10.0.0.1")));
}

TEST_CASE("socket addresses survive the round trip through sockaddr") {
  for (const char* text : {"10.0.0.1:80", "[fd00::1]:65535"}) {
    const auto address = *SocketAddress::parse(text);
    sockaddr_storage raw{};
    address.to_sockaddr(raw);
    CHECK(SocketAddress::from_sockaddr(reinterpret_cast<sockaddr*>(&raw)) == address);
    CHECK(address.to_string() == text);
  }
}
