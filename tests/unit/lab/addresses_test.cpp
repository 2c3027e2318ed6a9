// Address ranges beside the machine's own, and numbering out of them.
#include "lab/addresses.hpp"

#include <doctest/doctest.h>

using namespace culvert;
using namespace culvert::lab;

static IpPrefix prefix(const char* text) {
  return *IpPrefix::parse(text);
}

TEST_CASE("ranges avoid the networks that the machine routes") {
  const auto free = choose_ranges({});
  REQUIRE(free);
  CHECK(free->pods_v4.to_string() == "10.244.0.0/16");
  const auto beside =
      choose_ranges({prefix("10.244.3.0/24"), prefix("172.16.0.0/12"), prefix("fdc0:99::/32")});
  CHECK_FALSE(beside);  // all of 172.16.0.0/12 is taken
  const auto other =
      choose_ranges({prefix("10.240.0.0/12"), prefix("172.31.0.0/16"), prefix("fdc0:99::/32")});
  REQUIRE(other);
  CHECK(other->pods_v4.to_string() == "10.239.0.0/16");
  CHECK(other->fabric_v4.to_string() == "172.30.0.0/16");
  CHECK_FALSE(overlaps(other->pods_v6, prefix("fdc0:99::/32")));
}

TEST_CASE("networks overlap when one holds the other, and never across families") {
  CHECK(overlaps(prefix("10.0.0.0/8"), prefix("10.1.2.0/24")));
  CHECK(overlaps(prefix("10.1.2.0/24"), prefix("10.0.0.0/8")));
  CHECK_FALSE(overlaps(prefix("10.1.2.0/24"), prefix("10.1.3.0/24")));
  CHECK_FALSE(overlaps(prefix("10.0.0.0/8"), prefix("::/1")));
}

TEST_CASE("addresses and sub-ranges are counted in bits of their family") {
  CHECK(address_at(prefix("10.244.1.0/24"), 2).to_string() == "10.244.1.2");
  CHECK(address_at(prefix("10.96.0.0/16"), 256).to_string() == "10.96.1.0");
  CHECK(address_at(prefix("fd00::/64"), 0x10002).to_string() == "fd00::1:2");
  CHECK(subrange(prefix("10.244.0.0/16"), 24, 7).to_string() == "10.244.7.0/24");
  CHECK(subrange(prefix("fdc0:99:1::/48"), 64, 7).to_string() == "fdc0:99:1:7::/64");
}

TEST_CASE("a pod gets an address a family, and no two get the same") {
  AddressPool pool(*choose_ranges({}));
  Node node{.name = "east"};
  REQUIRE(pool.number_node(node, 3));
  Pod a{.name = "a"}, b{.name = "b"};
  REQUIRE(pool.number_pod(a, node));
  REQUIRE(pool.number_pod(b, node));
  CHECK(a.ips.size() == 2);
  CHECK(a.ips[0].is_v4());
  CHECK_FALSE(a.ips[1].is_v4());
  CHECK(node.pod_ranges[0].contains(a.ips[0]));
  CHECK(a.ips[0] != b.ips[0]);
  CHECK(a.ips[1] != b.ips[1]);
}

TEST_CASE("a pod with addresses of its own keeps exactly these") {
  AddressPool pool(*choose_ranges({}));
  Node node;
  REQUIRE(pool.number_node(node, 0));
  Pod pod{.name = "a", .ips = {IpAddress::v4(192, 0, 2, 1)}};
  REQUIRE(pool.number_pod(pod, node));
  CHECK(pod.ips.size() == 1);
}

TEST_CASE("a full node says so instead of giving an address twice") {
  AddressPool pool(*choose_ranges({}));
  Node node;
  REQUIRE(pool.number_node(node, 0));
  for (unsigned i = 0; i < kPodsPerNodeMax; ++i) {
    Pod pod;
    REQUIRE(pool.number_pod(pod, node));
  }
  Pod one_more;
  CHECK_FALSE(pool.number_pod(one_more, node));
}

TEST_CASE("a service gets ClusterIPs unless it is headless, external, or has its own") {
  AddressPool pool(*choose_ranges({}));
  Service plain, headless, own, only_v4;
  headless.headless = true;
  own.cluster_ips = {IpAddress::v4(10, 96, 9, 9)};
  only_v4.wants_v6 = false;
  for (Service* s : {&plain, &headless, &own, &only_v4}) REQUIRE(pool.number_service(*s));
  CHECK(plain.cluster_ips.size() == 2);
  CHECK(headless.cluster_ips.empty());
  CHECK(own.cluster_ips.size() == 1);
  CHECK(only_v4.cluster_ips.size() == 1);
}

TEST_CASE("the machine's networks are read from /proc/net") {
  const auto routes = parse_proc_routes(
      "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
      "eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
      "eth0\t0002A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n",
      "fd000000000000000000000000000000 40 00000000000000000000000000000000 00 "
      "00000000000000000000000000000000 00000100 00000001 00000000 00000001 eth0\n");
  REQUIRE(routes.size() == 2);  // the default route is no range of the machine's
  CHECK(routes[0].to_string() == "192.168.2.0/24");
  CHECK(routes[1].to_string() == "fd00::/64");
}
