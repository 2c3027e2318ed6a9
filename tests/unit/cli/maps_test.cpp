// Map entries as people read them: decoded from the ABI's bytes, with pod names where they are
// known.
#include <doctest/doctest.h>
#include <sys/socket.h>

#include <cstring>

#include "culvert/abi/maps.h"
#include "culvert/bpf/address.hpp"
#include "culvert/maps_decode.hpp"

using namespace culvert;
using namespace culvert::cli;

namespace {

constexpr const char* kRecord =
    R"([{"uid":"u1","namespace":"shop","name":"web","netns_cookie":4711,"ips":["10.0.0.5","fd00::5"]},
        {"namespace":"bad"}, 7, {"netns_cookie":"text"}])";

template <class T>
Bytes bytes_of(const T& value) {
  return {reinterpret_cast<const std::uint8_t*>(&value), sizeof value};
}

std::string field(const MapLine& line, const std::string& name) {
  for (const auto& [key, value] : line.fields)
    if (key == name) return value;
  return "absent";
}

cv_address ip(const char* text) {
  return bpf::to_abi(*IpAddress::parse(text));
}

}  // namespace

TEST_CASE("pods are named by cookie and by address, and unknown ones by number") {
  const PodNames names = PodNames::parse(kRecord);
  CHECK(names.pod(4711) == "shop/web");
  CHECK(names.pod(12) == "netns 12");
  CHECK(names.cookie("shop/web") == 4711U);
  CHECK(names.cookie("12") == 12U);
  CHECK_FALSE(names.cookie("shop/other"));
  CHECK(names.endpoint(*SocketAddress::parse("[fd00::5]:80")) == "[fd00::5]:80 (shop/web)");
  CHECK(names.endpoint(*SocketAddress::parse("10.0.0.6:80")) == "10.0.0.6:80");
}

TEST_CASE("a record that is broken or absent leaves numbers") {
  for (const char* text : {"", "{", "[1,2", "\"x\"", "{\"pods\":3}"})
    CHECK(PodNames::parse(text).pod(4711) == "netns 4711");
  CHECK(PodNames::load("/nonexistent").pod(4711) == "netns 4711");
}

TEST_CASE("a handshake entry shows both ends and the original destination") {
  cv_flow_key key{};
  key.netns_cookie = 4711;
  key.tuple = {
      .source = ip("10.0.0.5"), .target = ip("10.0.0.5"), .source_port = 40000, .target_port = 291};
  cv_origin_value value{};
  value.origin = {.ip = ip("10.96.0.1"), .port = 80, .pad = 0};
  const auto lines =
      decode_entry("cv_origin", bytes_of(key), bytes_of(value), PodNames::parse(kRecord));
  REQUIRE(lines.size() == 1);
  CHECK(field(lines[0], "pod") == "shop/web");
  CHECK(field(lines[0], "source") == "10.0.0.5:40000 (shop/web)");
  CHECK(field(lines[0], "origin") == "10.96.0.1:80");
}

TEST_CASE("a pod's counters are summed over CPUs, and zeros left out") {
  const std::uint64_t key = 4711;
  cv_counter_value cpus[3]{};
  cpus[0].count[CV_CONNECT_REDIRECTED] = 2;
  cpus[2].count[CV_CONNECT_REDIRECTED] = 40;
  cpus[1].count[CV_DROPPED_NO_LISTENER] = 1;
  const auto lines = decode_entry("cv_counter", bytes_of(key), bytes_of(cpus), {});
  REQUIRE(lines.size() == 2);
  CHECK(field(lines[0], "reason") == "CONNECT_REDIRECTED");
  CHECK(field(lines[0], "count") == "42");
  CHECK(field(lines[1], "hook") == "sk_lookup");
}

TEST_CASE("excluded ranges are written in their family's bits, ports as ports") {
  const auto excluded = [](const cv_exclude_key& key) {
    return field(decode_entry("cv_exclude", bytes_of(key), bytes_of(1), {})[0], "excluded");
  };
  cv_exclude_key key{};
  key.prefix_bits = CV_EXCLUDE_KIND_BITS + 96 + 8;
  key.data.ip = ip("10.0.0.0");
  CHECK(excluded(key) == "10.0.0.0/8");
  key.prefix_bits = CV_EXCLUDE_KIND_BITS + 64;
  key.data.ip = ip("fd00::");
  CHECK(excluded(key) == "fd00::/64");
  key = {};
  key.kind = CV_EXCLUDE_PORT;
  key.prefix_bits = CV_EXCLUDE_KIND_BITS + 16;
  key.data.port_be = htobe16(25);
  CHECK(excluded(key) == "port 25");
}

TEST_CASE("a listener names its pod, kind, family and slot") {
  cv_listener_key key{};
  key.netns_cookie = 4711;
  key.kind = CV_HBONE;
  key.family = AF_INET6;
  key.slot = 3;
  const std::uint64_t cookie = 99;
  const auto line = decode_entry("cv_listener", bytes_of(key), bytes_of(cookie), {})[0];
  CHECK(field(line, "pod") == "netns 4711");
  CHECK(field(line, "kind") == "hbone");
  CHECK(field(line, "family") == "ipv6");
  CHECK(field(line, "slot") == "3");
}

TEST_CASE("entries of another size and maps of others are left undecoded") {
  const std::uint8_t short_key[3] = {};
  for (const char* map :
       {"cv_pod", "cv_listener", "cv_origin", "cv_client", "cv_kubelet", "cv_counter"})
    CHECK(decode_entry(map, short_key, short_key, {}).empty());
  CHECK(decode_entry("someone_elses", short_key, short_key, {}).empty());
}
