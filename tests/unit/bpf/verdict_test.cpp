// The hooks' decisions, compiled natively from bpf/verdict.h: the same lines that the kernel runs.
#include "../../../bpf/verdict.h"

#include <doctest/doctest.h>

#include <cerrno>
#include <set>

#include "culvert/bpf/address.hpp"

using namespace culvert;

namespace {

constexpr __u16 kBlock = CV_BLOCK_DEFAULT_FIRST;

cv_address ip(const char* text) {
  return bpf::to_abi(*IpAddress::parse(text));
}

cv_pod_value pod() {
  cv_pod_value value{};
  value.ip4 = ip("10.0.0.5");
  value.ip6 = ip("fd00::5");
  value.flags = CV_POD_HAS_V4 | CV_POD_HAS_V6 | CV_POD_READY;
  return value;
}

cv_connect to(const char* address, __u16 port, const char* bound = "0.0.0.0") {
  cv_connect c{};
  c.to = ip(address);
  c.to_port = port;
  c.bound = ip(bound);
  return c;
}

cv_counter_id connect(const cv_connect& c, const cv_pod_value& p = pod()) {
  return cv_connect_verdict(&c, &p, kBlock);
}

cv_counter_id arrive(const char* source, const char* target, __u16 port, bool kubelet = false) {
  cv_arrival a{};
  a.tuple = {.source = ip(source), .target = ip(target), .source_port = 40000, .target_port = port};
  a.kubelet = kubelet ? 1 : 0;
  return cv_arrival_verdict(&a, kBlock);
}

}  // namespace

TEST_CASE("connections to other addresses are redirected, in both families") {
  CHECK(connect(to("10.96.0.1", 80)) == CV_CONNECT_REDIRECTED);
  CHECK(connect(to("fd00:96::1", 443, "::")) == CV_CONNECT_REDIRECTED);
  CHECK(connect(to("10.0.0.6", 290)) == CV_CONNECT_REDIRECTED);
}

TEST_CASE("loopback, unspecified and link-local addresses are left alone") {
  for (const char* address : {"127.0.0.1", "127.8.9.1", "::1", "0.0.0.0", "::"})
    CHECK(connect(to(address, 80)) == CV_CONNECT_LOOPBACK);
  CHECK(connect(to("169.254.169.254", 80)) == CV_CONNECT_LINK_LOCAL);
  CHECK(connect(to("fe80::1", 80)) == CV_CONNECT_LINK_LOCAL);
  CHECK(connect(to("febf::1", 80)) == CV_CONNECT_LINK_LOCAL);
  CHECK(connect(to("fec0::1", 80)) == CV_CONNECT_REDIRECTED);
}

TEST_CASE("the pod's own address passes, except for ports of the block") {
  CHECK(connect(to("10.0.0.5", 8080)) == CV_CONNECT_OWN_ADDRESS);
  CHECK(connect(to("fd00::5", 287)) == CV_CONNECT_OWN_ADDRESS);
  CHECK(connect(to("fd00::5", 288)) == CV_REFUSED_BLOCK_PORT);
  CHECK(connect(to("10.0.0.5", 303)) == CV_REFUSED_BLOCK_PORT);
  CHECK(connect(to("10.0.0.5", 304)) == CV_CONNECT_OWN_ADDRESS);
  CHECK(cv_connect_errno(CV_REFUSED_BLOCK_PORT) == -ECONNREFUSED);
}

TEST_CASE("a second run of the hook for the same connect changes nothing") {
  cv_connect c = to("10.0.0.5", 291);
  c.saved_port = 291;
  CHECK(connect(c) == CV_CONNECT_AGAIN);
  c.saved_port = 292;
  CHECK(connect(c) == CV_REFUSED_BLOCK_PORT);
  cv_connect bound = to("127.0.0.1", 291, "127.0.0.1");
  bound.saved_port = 291;
  CHECK(connect(bound) == CV_CONNECT_AGAIN);
  bound.saved_port = 0;
  CHECK(connect(bound) == CV_CONNECT_LOOPBACK);
}

TEST_CASE("ztunnel's sockets and excluded destinations pass") {
  cv_connect c = to("10.96.0.1", 80);
  c.marked = 1;
  CHECK(connect(c) == CV_CONNECT_ZTUNNEL);
  c = to("10.96.0.1", 80);
  c.excluded_range = 1;
  CHECK(connect(c) == CV_CONNECT_EXCLUDED_RANGE);
  c = to("10.96.0.1", 80);
  c.excluded_port = 1;
  CHECK(connect(c) == CV_CONNECT_EXCLUDED_PORT);
}

TEST_CASE("a family that the pod lacks is unreachable, as without the mesh") {
  cv_pod_value only4 = pod();
  only4.flags = CV_POD_HAS_V4 | CV_POD_READY;
  CHECK(connect(to("fd00:96::1", 80, "::"), only4) == CV_REFUSED_NO_FAMILY);
  CHECK(cv_connect_errno(CV_REFUSED_NO_FAMILY) == -ENETUNREACH);
  cv_pod_value only6 = pod();
  only6.flags = CV_POD_HAS_V6 | CV_POD_READY;
  CHECK(connect(to("10.96.0.1", 80), only6) == CV_REFUSED_NO_FAMILY);
}

TEST_CASE("an incomplete entry refuses what leaves the pod and nothing inside it") {
  cv_pod_value denied = pod();
  denied.flags &= ~CV_POD_READY;
  CHECK(connect(to("10.96.0.1", 80), denied) == CV_REFUSED_NOT_READY);
  CHECK(connect(to("127.0.0.1", 80), denied) == CV_CONNECT_LOOPBACK);
  CHECK(cv_connect_errno(CV_REFUSED_NOT_READY) == -ECONNREFUSED);
}

TEST_CASE("a bound socket is redirected to its own address, so that both ends are the same") {
  const cv_pod_value p = pod();
  for (const char* bound : {"127.0.0.1", "10.0.0.99", "10.0.0.5"}) {
    const cv_connect c = to("10.96.0.1", 80, bound);
    CHECK(connect(c) == CV_CONNECT_REDIRECTED);
    const cv_address want = ip(bound);
    CHECK(cv_same(cv_redirect_address(&c, &p.ip4), &want));
  }
  const cv_connect any = to("10.96.0.1", 80, "::");
  CHECK(cv_same(cv_redirect_address(&any, &p.ip4), &p.ip4));
  CHECK(connect(to("10.96.0.1", 80, "fd00::5")) == CV_REFUSED_SOURCE_FAMILY);
}

TEST_CASE("turns go over all ports of the block and never to the socket's own") {
  std::set<int> ports;
  for (__u32 turn = 0; turn < CV_BLOCK_PORTS; turn++)
    ports.insert(cv_redirect_port(turn, 0, kBlock));
  CHECK(ports.size() == CV_BLOCK_PORTS);
  CHECK(*ports.begin() == kBlock);
  CHECK(*ports.rbegin() == kBlock + CV_BLOCK_PORTS - 1);
  for (__u32 turn = 0; turn < 64; turn++)
    for (__u16 own = kBlock; own < kBlock + CV_BLOCK_PORTS; own++) {
      const __u16 port = cv_redirect_port(turn, own, kBlock);
      CHECK(port != own);
      CHECK(cv_in_block(port, kBlock));
    }
  CHECK(cv_in_block(cv_redirect_port(0xffffffffU, kBlock + 15, kBlock), kBlock));
}

TEST_CASE("arrivals go to the listener of their kind") {
  CHECK(arrive("10.0.0.6", "10.0.0.5", 80) == CV_STEERED_PLAINTEXT);
  CHECK(arrive("fd00::6", "fd00::5", 15008) == CV_STEERED_HBONE);
  CHECK(arrive("10.0.0.5", "10.0.0.5", 288) == CV_STEERED_OUTBOUND);
  CHECK(arrive("127.0.0.1", "127.0.0.1", 303) == CV_STEERED_OUTBOUND);
  CHECK(arrive("10.0.0.6", "10.0.0.5", 288) == CV_STEERED_PLAINTEXT);
}

TEST_CASE("arrivals from the pod itself and the kubelet's own pass") {
  CHECK(arrive("10.0.0.5", "10.0.0.5", 80) == CV_PASSED_LOCAL);
  CHECK(arrive("10.0.0.5", "10.0.0.5", 15008) == CV_PASSED_LOCAL);
  CHECK(arrive("127.0.0.1", "127.0.0.2", 80) == CV_PASSED_LOCAL);
  CHECK(arrive("10.0.0.1", "10.0.0.5", 80, true) == CV_PASSED_KUBELET);
  CHECK(arrive("10.0.0.1", "10.0.0.5", 80, false) == CV_STEERED_PLAINTEXT);
}

TEST_CASE("a spoofed loopback source from outside is not taken for the pod") {
  CHECK(arrive("127.0.0.1", "10.0.0.5", 80) == CV_STEERED_PLAINTEXT);
  CHECK(arrive("10.0.0.6", "127.0.0.1", 80) == CV_STEERED_PLAINTEXT);
}

TEST_CASE("listener slots are all used and stay within bounds") {
  int used[CV_LISTENER_SLOTS] = {};
  for (unsigned port = 32768; port < 61000; port++) {
    const unsigned slot = cv_listener_slot(static_cast<__u16>(port));
    REQUIRE(slot < CV_LISTENER_SLOTS);
    used[slot]++;
  }
  for (const int n : used) CHECK(n > (61000 - 32768) / CV_LISTENER_SLOTS / 2);
}
