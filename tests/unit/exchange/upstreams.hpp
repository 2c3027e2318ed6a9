// Upstreams in memory: what a test says that a pod does, and what the pod has seen.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "culvert/io/event.hpp"
#include "waypoint/upstream/connections.hpp"

namespace culvert::waypoint::test {

using std::chrono::milliseconds;
using FieldList = std::vector<std::pair<std::string, std::string>>;

/// How a pod treats one request.
struct Behaviour {
  std::optional<ErrorCode> connect;  // no connection comes about
  milliseconds connect_after{0};
  bool answers = true;             // false: silent for ever
  bool waits_for_all = true;       // answers when it has the whole request
  std::optional<ErrorCode> reset;  // instead of a head
  milliseconds head_after{0};
  std::vector<std::uint16_t> informational = {};
  std::uint16_t status = 200;
  FieldList fields = {};
  std::vector<std::string> parts = {};
  milliseconds between_parts{0};
  FieldList trailers = {};
  bool cut = false;   // the body ends in a reset
  bool takes = true;  // false: takes nothing of the body
  bool upgrades = false;
  bool hangs_up = false;  // with `upgrades`: its side of the tunnel ends at once
  bool stays = false;     // with `upgrades`: its side stays open when the client's has ended
  Origin connect_by = Origin::kUpstream;  // whose error `connect` is; kLimit is always ours
  bool head_fits = true;                  // false: our side cannot write the request's head
};

/// What a pod has seen of one request.
struct Seen {
  std::string pod;
  http::RequestHead head;
  std::string body;
  FieldList trailers;
  bool whole = false;      // the request came to its end
  bool cancelled = false;  // before the answer's end
  HttpVersion version = HttpVersion::kHttp1;
  SocketAddress address;
  std::string header(std::string_view name) const {
    return std::string(head.fields.find(name).value_or(""));
  }
};

FieldList list_of(const http::Fields& fields);

class Upstreams final : public UpstreamConnections {
 public:
  /// By a pod's name; all others answer 200. Called for each request with how many came before.
  std::map<std::string, std::function<Behaviour(int)>> pods;
  std::deque<Seen> seen;  // in the order in which requests came
  std::map<std::string, int> opened;
  std::vector<std::string> retired;

  void set(const std::string& pod, const Behaviour& always) {
    pods[pod] = [always](int) { return always; };
  }
  std::size_t count(std::string_view pod) const;

  io::Task<Result<std::unique_ptr<ClientExchange>>> open(const UpstreamRequest& request,
                                                         io::Deadline deadline) override;
  void retire(const Endpoint& endpoint) override { retired.push_back(endpoint.workload->name); }
};

}  // namespace culvert::waypoint::test
