// The wire form of delta xDS.
#include "culvert/xds/messages.hpp"

#include <doctest/doctest.h>

#include "culvert/xds/limits.hpp"
#include "discovery.pb.h"

using namespace culvert;
using namespace culvert::xds;

TEST_CASE("a request survives the wire") {
  DeltaRequest in;
  in.node = Node{"ztunnel~1", "c", {{"NODE_NAME", "n1"}}};
  in.type_url = "t";
  in.subscribe = {"a", "b"};
  in.unsubscribe = {"*"};
  in.initial_versions = {{"x", "1"}, {"y", ""}};
  in.nonce = "7";
  in.refusal = Refusal{3, "a: no"};
  const auto out = parse_delta_request(serialize(in));
  REQUIRE(out);
  CHECK(out->node->id == "ztunnel~1");
  CHECK(out->node->metadata == in.node->metadata);
  CHECK(out->type_url == "t");
  CHECK(out->subscribe == in.subscribe);
  CHECK(out->unsubscribe == in.unsubscribe);
  CHECK(out->initial_versions == in.initial_versions);
  CHECK(out->nonce == "7");
  CHECK(out->refusal->message == "a: no");
}

TEST_CASE("a response survives the wire, each resource with its own type") {
  DeltaResponse in{"t", "n", "5", {{"a", "v", "other", std::string("\0\xff", 2)}}, {"gone"}};
  const auto out = parse_delta_response(serialize(in));
  REQUIRE(out);
  REQUIRE(out->resources.size() == 1);
  CHECK(out->resources[0].type_url == "other");
  CHECK(out->resources[0].bytes == std::string("\0\xff", 2));
  CHECK(out->removed == in.removed);
  CHECK(out->nonce == "n");
  CHECK(out->system_version == "5");
}

TEST_CASE("the numbers on the wire are Envoy's") {
  DeltaRequest ack;
  ack.type_url = "t";
  ack.nonce = "n";
  CHECK(serialize(ack) == std::string("\x12\x01t\x32\x01n"));
}

TEST_CASE("bytes cut anywhere are a message or an error, never more") {
  DeltaResponse in{"type", "nonce", "5", {{"a", "v", "type", "bytes"}}, {"gone"}};
  const auto whole = serialize(in);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto out = parse_delta_response(std::string_view(whole).substr(0, size));
    if (!out) CHECK(out.error().code == ErrorCode::kProtocol);
  }
  CHECK(parse_delta_request("\xff\xff").error().code == ErrorCode::kProtocol);
  CHECK(parse_delta_response("\xff\xff").error().code == ErrorCode::kProtocol);
}

TEST_CASE("a request beyond the bound is refused before it is read") {
  CHECK(parse_delta_request(std::string(kMaxRequestBytes + 1, '\0')).error().code ==
        ErrorCode::kLimit);
}

TEST_CASE("metadata that is no text is skipped") {
  envoy::service::discovery::v3::DeltaDiscoveryRequest wire;
  auto& fields = *wire.mutable_node()->mutable_metadata()->mutable_fields();
  fields["text"].set_string_value("t");
  fields["number"].set_number_value(1);
  const auto out = parse_delta_request(wire.SerializeAsString());
  REQUIRE(out);
  CHECK(out->node->metadata == std::map<std::string, std::string>{{"text", "t"}});
}

TEST_CASE("text is cut between characters") {
  CHECK(cut_text("abc", 3) == "abc");
  CHECK(cut_text("abc", 2) == "ab");
  CHECK(cut_text("a\xc3\xa4z", 2) == "a");
  CHECK(cut_text("a\xc3\xa4z", 3) == "a\xc3\xa4");
}
