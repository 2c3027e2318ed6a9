// The client's half: what it believes, what it refuses, and what it remembers for the next stream.
#include "culvert/xds/subscriber.hpp"

#include <doctest/doctest.h>

#include "culvert/xds/limits.hpp"
#include "fixtures.hpp"

using namespace culvert;
using namespace culvert::xds;
using namespace culvert::xds::testing;

namespace {

DeltaResponse response(std::vector<Resource> added, std::vector<std::string> removed = {}) {
  return {kAddress, "n1", "1", std::move(added), std::move(removed)};
}
Resource address(std::string name, std::string bytes) {
  return {std::move(name), "v-" + bytes, kAddress, bytes};
}

struct Client {
  MemorySink sink;
  Subscriber machine{Node{"id", "", {}}, {kAddress, kPolicy}, sink};
};

}  // namespace

TEST_CASE("a stream starts with a wildcard request a type, the node in the first") {
  Client c;
  const auto requests = c.machine.start_stream();
  REQUIRE(requests.size() == 2);
  CHECK(requests[0].type_url == kAddress);
  CHECK(requests[0].node->id == "id");
  CHECK(!requests[1].node);
  CHECK(requests[0].subscribe.empty());
  CHECK(requests[0].initial_versions.empty());
  CHECK(requests[0].nonce.empty());
}

TEST_CASE("a good response is applied and acknowledged by its nonce") {
  Client c;
  const auto answer = c.machine.receive(response({address("a", "1")}));
  REQUIRE(answer);
  CHECK(answer->nonce == "n1");
  CHECK(answer->type_url == kAddress);
  CHECK(!answer->refusal);
  CHECK(c.sink[kAddress] == Contents{{"a", "1"}});
}

TEST_CASE("it is ready when every type had a response, an empty one too") {
  Client c;
  CHECK(!c.machine.ready());
  CHECK(c.machine.receive(response({})));
  CHECK(!c.machine.ready());
  CHECK(c.machine.receive({kPolicy, "n2", "", {}, {}}));
  CHECK(c.machine.ready());
}

TEST_CASE("one bad resource among good ones is named in the NACK and keeps its last good state") {
  Client c;
  CHECK(c.machine.receive(response({address("a", "1"), address("b", "1")})));
  const auto answer =
      c.machine.receive(response({address("a", "2"), address("b", "bad"), address("c", "2")}));
  REQUIRE(answer);
  REQUIRE(answer->refusal);
  CHECK(answer->refusal->message == "b: it is bad");
  CHECK(answer->refusal->code == 3);
  CHECK(c.sink[kAddress] == Contents{{"a", "2"}, {"b", "1"}, {"c", "2"}});
  CHECK(c.machine.nacks() == 1);
  CHECK(c.machine.last_nack().find("b: it is bad") != std::string::npos);
}

TEST_CASE("a reconnect names what is held, never a rejected version") {
  Client c;
  CHECK(
      c.machine.receive(response({address("a", "1"), address("b", "1"), address("never", "bad")})));
  CHECK(c.machine.receive(response({address("b", "bad")})));
  const auto requests = c.machine.start_stream();
  CHECK(requests[0].initial_versions ==
        std::map<std::string, std::string>{{"a", "v-1"}, {"b", "v-1"}});
  CHECK(requests[1].initial_versions.empty());
}

TEST_CASE("a resource rejected under the version that is held is left out of a reconnect") {
  Client c;
  auto unversioned = [](const char* bytes) { return Resource{"p", "", kAddress, bytes}; };
  CHECK(c.machine.receive(response({unversioned("1")})));
  CHECK(c.machine.receive(response({unversioned("bad")})));
  CHECK(c.machine.start_stream()[0].initial_versions.empty());
  CHECK(c.machine.receive(response({unversioned("2")})));
  CHECK(c.machine.start_stream()[0].initial_versions.size() == 1);
}

TEST_CASE("removals reach the sink once, and only for what is held") {
  Client c;
  CHECK(c.machine.receive(response({address("a", "1"), address("b", "1")})));
  CHECK(c.machine.receive(response({}, {"a", "a", "unknown"})));
  CHECK(c.sink[kAddress] == Contents{{"b", "1"}});
  CHECK(c.sink.removed == 1);
  CHECK(c.machine.held() == 1);
  CHECK(c.machine.start_stream()[0].initial_versions.size() == 1);
}

TEST_CASE("hostile resources are rejected one by one with their reason") {
  Client c;
  CHECK(c.machine.receive(response({address("held", "1"), address("kept", "1")})));
  struct Case {
    const char* text;
    DeltaResponse response;
  };
  const Case cases[] = {
      {"(unnamed): without a name", response({address("", "2"), address("good", "2")})},
      {"x: of another type than the response",
       response({{"x", "v", kPolicy, "2"}, address("good", "3")})},
      {"x: of another type than the response",
       response({{"x", "v", "", ""}, address("good", "4")})},
      {"good: named twice", response({address("good", "5"), address("good", "6")})},
      {"held: both added and removed",
       response({address("held", "2"), address("good", "7")}, {"held"})},
      {"kept: too large",
       response({address("kept", std::string(kMaxResourceBytes + 1, 'x')), address("good", "8")})},
      {": name too long",
       response({address(std::string(kMaxNameBytes + 1, 'n'), "1"), address("good", "9")})},
  };
  std::size_t n = 0;
  const char* good[] = {"2", "3", "4", "5", "7", "8", "9"};
  for (const auto& one : cases) {
    CAPTURE(one.text);
    const auto answer = c.machine.receive(one.response);
    REQUIRE(answer);
    REQUIRE(answer->refusal);
    CHECK(answer->refusal->message.find(one.text) != std::string::npos);
    CHECK(c.sink[kAddress] == Contents{{"good", good[n++]}, {"held", "1"}, {"kept", "1"}});
  }
}

TEST_CASE("a response that answers nothing that was asked ends the stream and changes nothing") {
  Client c;
  CHECK(c.machine.receive(response({address("a", "1")})));
  auto error_of = [&](DeltaResponse r) {
    const auto answer = c.machine.receive(std::move(r));
    REQUIRE(!answer);
    CHECK(answer.error().origin == Origin::kControl);
    return std::string(answer.error().text);
  };
  CHECK(error_of({"type.googleapis.com/other", "n", "", {}, {}}) ==
        "response of a type that was not asked for");
  CHECK(error_of({"", "n", "", {}, {}}) == "response of a type that was not asked for");
  CHECK(error_of({kAddress, "", "", {}, {"a"}}) == "response without a nonce");
  CHECK(error_of(response({}, std::vector<std::string>(kMaxResponseResources + 1))) ==
        "too many resources in one response");
  CHECK(c.sink[kAddress] == Contents{{"a", "1"}});
  CHECK(!c.machine.ready());
}

TEST_CASE("a NACK of very many resources stays within its bound and counts the rest") {
  Client c;
  std::vector<Resource> bad;
  for (int i = 0; i < 10'000; ++i) bad.push_back(address("resource-" + std::to_string(i), "bad"));
  const auto answer = c.machine.receive(response(std::move(bad)));
  REQUIRE(answer);
  CHECK(answer->refusal->message.size() <= kMaxNackTextBytes);
  CHECK(answer->refusal->message.find(" more") != std::string::npos);
}

TEST_CASE("a sink's rejection of a name that was not in the response is ignored") {
  struct Confused final : ResourceSink {
    std::vector<Rejected> apply(std::string_view, std::vector<AddedResource>,
                                std::vector<std::string>) override {
      return {{"elsewhere", "?"}};
    }
  } sink;
  Subscriber machine(Node{}, {kAddress}, sink);
  const auto answer = machine.receive(response({address("a", "1")}));
  REQUIRE(answer);
  CHECK(!answer->refusal);
  CHECK(machine.held() == 1);
}
