// What is read of real connections: access lines, listening sockets, contradictions.
#include <doctest/doctest.h>

#include "culvert/explain_observe.hpp"

using namespace culvert;
using namespace culvert::cli;

namespace {

constexpr const char* kTunnel =
    "2026-01-02T03:04:05.000006Z info ztunnel: connection complete src.addr=10.0.1.1:4000 "
    "src.workload=\"web\" src.namespace=\"shop\" src.identity=\"spiffe://t/ns/shop/sa/web\" "
    "dst.addr=10.0.2.1:15008 dst.hbone_addr=10.0.2.1:8080 dst.workload=\"cart\" "
    "dst.namespace=\"shop\" "
    "direction=\"outbound\" bytes_sent=1 bytes_recv=2 duration=\"3ms\" error=\"say \\\"no\\\"\" "
    "policy=\"shop/no\"";

mesh::Workload web() {
  mesh::Workload w;
  w.ns = "shop";
  w.name = "web";
  w.addresses.push_back(*IpAddress::parse("10.0.1.1"));
  return w;
}

explain::Branch branch(const char* target) {
  explain::Branch b;
  b.route.target = *SocketAddress::parse(target);
  b.route.next_hop = b.route.target;
  b.path = explain::Path::kTunnel;
  return b;
}

}  // namespace

TEST_CASE("an access line is read from text and from JSON") {
  const auto text = parse_access_line(kTunnel);
  REQUIRE(text.has_value());
  CHECK(text->time == "2026-01-02T03:04:05.000006Z");
  CHECK(text->event == "connection complete");
  CHECK(text->field("dst.hbone_addr") == "10.0.2.1:8080");
  CHECK(text->field("error") == "say \"no\"");
  CHECK(text->field("policy") == "shop/no");
  CHECK(text->field("absent").empty());
  const auto json = parse_access_line(
      R"({"level":"info","time":"2026-01-02T03:04:05.000006Z","scope":"access","message":"connection complete","src.addr":"10.0.1.1:4000","bytes_sent":1})");
  REQUIRE(json.has_value());
  CHECK(json->field("src.addr") == "10.0.1.1:4000");
  CHECK(json->field("bytes_sent") == "1");
  for (const char* other :
       {"", "{", "{\"scope\":\"other\"}", "x info ztunnel: pod shop/web is served",
        "connection complete src.addr"})
    CHECK_FALSE_MESSAGE(parse_access_line(other), other);
}

TEST_CASE("a line is like a connection when source and target are its") {
  const auto line = *parse_access_line(kTunnel);
  CHECK(is_like(line, web(), branch("10.0.2.1:8080")));
  CHECK_FALSE(is_like(line, web(), branch("10.0.2.1:9090")));
  mesh::Workload other = web();
  other.name = "stock";
  CHECK_FALSE(is_like(line, other, branch("10.0.2.1:8080")));
  CHECK(path_of(line) == explain::Path::kTunnel);
}

TEST_CASE("a socket that listens is found by its port, at its address or at all") {
  const std::string tcp =
      "  sl  local_address rem_address   st\n"
      "   0: 00000000:1F90 00000000:0000 0A 00000000:00000000\n"
      "   1: 0100007F:2382 00000000:0000 0A 00000000:00000000\n"
      "   2: 0501000A:1F91 00000000:0000 01 00000000:00000000\n";
  CHECK(has_listener(tcp, *SocketAddress::parse("10.0.1.5:8080")));
  CHECK_FALSE(has_listener(tcp, *SocketAddress::parse("10.0.1.5:9090")));
  CHECK(has_listener(tcp, *SocketAddress::parse("127.0.0.1:9090")));
  CHECK_FALSE(has_listener(tcp, *SocketAddress::parse("10.0.1.5:8081")));
  const std::string tcp6 =
      "  sl  local_address                         remote_address                        st\n"
      "   0: 00000000000000000000000000000000:1F90 00000000000000000000000000000000:0000 0A x\n";
  CHECK(has_listener(tcp6, *SocketAddress::parse("[fd00::5]:8080")));
  CHECK(has_listener(tcp6, *SocketAddress::parse("10.0.1.5:8080")));
  CHECK_FALSE(has_listener("", *SocketAddress::parse("10.0.1.5:8080")));
}

TEST_CASE("a recent connection contradicts only when it is of this configuration") {
  explain::Explanation e;
  e.captured = true;
  e.branches.push_back(branch("10.0.2.1:8080"));
  e.branches[0].verdict = mesh::Verdict{true, mesh::Verdict::Reason::kNoPolicy, ""};
  RecentConnection recent{.time = "t",
                          .direction = "outbound",
                          .path = explain::Path::kTunnel,
                          .endpoint = "10.0.2.1:8080"};
  CHECK(contradictions(e, {recent}).empty());
  recent.refused = true;  // for another reason than policy
  CHECK(contradictions(e, {recent}).empty());
  recent.denied = true;
  CHECK(contradictions(e, {recent}) ==
        std::vector<std::string>{"the last connection to 10.0.2.1:8080 (t) was refused by policy"});
  recent.stale = true;
  CHECK(contradictions(e, {recent}).empty());
  recent = {.time = "t",
            .direction = "outbound",
            .path = explain::Path::kJoined,
            .endpoint = "10.0.2.1:8080"};
  CHECK(contradictions(e, {recent}) ==
        std::vector<std::string>{
            "the last connection to 10.0.2.1:8080 (t) went by joined, not by tunnel"});
}
