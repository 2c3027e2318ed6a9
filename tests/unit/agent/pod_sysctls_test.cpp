// The pod's reserved ports in the kernel's list form, and the outbound block as a setting.
#include "pod_sysctls.hpp"

#include <doctest/doctest.h>

#include "datapath.hpp"

using namespace culvert;
using namespace culvert::agent;

TEST_CASE("port lists are read and written in the kernel's form") {
  for (const char* text : {"", "80", "288-303", "80,288-303,65535", "0-65535"}) {
    const auto ports = parse_ports(text);
    REQUIRE(ports);
    CHECK(format_ports(*ports) == text);
  }
  CHECK(format_ports(*parse_ports("303,288-302,80\n")) == "80,288-303");
}

TEST_CASE("malformed port lists are refused") {
  for (const char* text : {"x", "1-", "-1", "5-4", "70000", "1,,2", "1 2"})
    CHECK_FALSE(parse_ports(text));
}

TEST_CASE("an outbound block is 16 ports from a multiple of 16") {
  CHECK(parse_block("288-303") == 288);
  CHECK(parse_block("32768-32783") == 32768);
  for (const char* text : {"288-304", "289-304", "0-15", "288", "288-295,304-311", ""})
    CHECK_FALSE(parse_block(text));
}

TEST_CASE("a pod keeps its first address of each family") {
  const IpAddress ips[] = {*IpAddress::parse("10.0.0.5"), *IpAddress::parse("fd00::5"),
                           *IpAddress::parse("10.0.0.6")};
  const PodAddresses addresses = pod_addresses(ips);
  CHECK(addresses.ip4 == ips[0]);
  CHECK(addresses.ip6 == ips[1]);
}
