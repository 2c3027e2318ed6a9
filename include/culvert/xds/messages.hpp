// The two messages of delta xDS as values, and their wire form (lib/proto/discovery.proto, which is
// envoy.service.discovery.v3). Pure; no protobuf type appears here.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "culvert/base/error.hpp"

namespace culvert::xds {

struct Node {
  std::string id;  // "ztunnel~IP~POD.NS~NS.svc.cluster.local"
  std::string cluster;
  std::map<std::string, std::string> metadata;  // text values only; others are skipped when read
};

/// Why a client refuses a response (the error_detail of a NACK).
struct Refusal {
  int code = 0;  // a gRPC status code
  std::string message;
};

struct DeltaRequest {
  std::optional<Node> node;  // on the first request of a stream
  std::string type_url;
  std::vector<std::string> subscribe;
  std::vector<std::string> unsubscribe;
  std::map<std::string, std::string> initial_versions;  // name to version; first request of a type
  std::string nonce;               // of the response that this answers, or empty
  std::optional<Refusal> refusal;  // set: a NACK
};

struct Resource {
  std::string name;
  std::string version;
  std::string type_url;
  std::string bytes;  // the serialized message
};

struct DeltaResponse {
  std::string type_url;
  std::string nonce;
  std::string system_version;  // for people: the generation behind it
  std::vector<Resource> resources;
  std::vector<std::string> removed;
};

std::string serialize(const DeltaRequest& request);
std::string serialize(const DeltaResponse& response);

/// kLimit beyond kMaxRequestBytes or kMaxResponseBytes; kProtocol for bytes that are no such
/// message.
Result<DeltaRequest> parse_delta_request(std::string_view wire);
Result<DeltaResponse> parse_delta_response(std::string_view wire);

/// At most `max_bytes` of `text`, cut between UTF-8 characters.
std::string_view cut_text(std::string_view text, std::size_t max_bytes);

}  // namespace culvert::xds
