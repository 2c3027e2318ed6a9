// The ABI between BPF programs and user space: sizes without hidden padding, and address forms.
#include <doctest/doctest.h>

#include <sys/socket.h>
#include <cerrno>
#include <cstddef>
#include <set>
#include <string>

#include "culvert/abi/maps.h"
#include "culvert/bpf/address.hpp"
#include "culvert/bpf/socket_maps.hpp"

using namespace culvert;

// BPF compares keys byte by byte: the compiler may leave no hole in them.
static_assert(sizeof(cv_address) == 16 && sizeof(cv_endpoint) == 20);
static_assert(sizeof(cv_tuple_key) == 36 && sizeof(cv_flow_key) == 48);
static_assert(sizeof(cv_listener_key) == 16 && sizeof(cv_exclude_key) == 24);
static_assert(sizeof(cv_pod_value) == 56 && sizeof(cv_mark_value) == 24);
static_assert(sizeof(cv_origin_value) == 24 && sizeof(cv_counter_value) == 8 * CV_COUNTERS);
static_assert(CV_BLOCK_DEFAULT_FIRST % CV_BLOCK_PORTS == 0);

TEST_CASE("an address keeps its bytes on the way into a map and back") {
  for (const char* text : {"10.1.2.3:80", "[fd00::5]:65535", "127.0.0.1:0"}) {
    const auto address = SocketAddress::parse(text);
    REQUIRE(address);
    CHECK(bpf::from_abi(bpf::to_abi(*address)).to_string() == text);
  }
}

TEST_CASE("an IPv4 address is stored mapped, in network order") {
  const auto abi = bpf::to_abi(*SocketAddress::parse("10.1.2.3:80"));
  const auto* bytes = reinterpret_cast<const unsigned char*>(&abi.ip);
  CHECK(bytes[10] == 0xff);
  CHECK(bytes[12] == 10);
  CHECK(bytes[15] == 3);
  CHECK(abi.port == 80);
}

TEST_CASE("every counter has a text of its own") {
  std::set<std::string> texts;
#define CV_TEXT(name, hook, text) texts.insert(std::string(hook) + ": " + text);
  CV_COUNTER_TABLE(CV_TEXT)
#undef CV_TEXT
  CHECK(texts.size() == CV_COUNTER_IDS);
}

TEST_CASE("opening a folder without pins says that nothing is there") {
  const auto maps = bpf::SocketMaps::open("/nonexistent");
  REQUIRE_FALSE(maps);
  CHECK(maps.error().sys_errno == ENOENT);
}

TEST_CASE("a socket tells the cookie of its namespace") {
  UniqueFd fd(socket(AF_UNIX, SOCK_DGRAM, 0));
  const auto cookie = bpf::netns_cookie(fd.get());
  REQUIRE(cookie);
  CHECK(*cookie != 0);
}
