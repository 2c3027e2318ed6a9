// All that is said of one HTTP request when it ends: metrics, the access-log line and what
// `culvert tap` shows are made from this. One a client's request, however often it was tried; a
// waypoint's exchange fills it, on its worker, and finishes it once.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "culvert/base/ip.hpp"
#include "culvert/http/message.hpp"
#include "culvert/telemetry/connection_record.hpp"
#include "culvert/telemetry/exchange_end.hpp"
#include "culvert/telemetry/shared.hpp"

namespace culvert::telemetry {

/// Counts the messages of a gRPC body: a byte of flags, four of length, the message (gRPC over
/// HTTP/2, "Length-Prefixed-Message"). A message counts when its prefix is whole.
class GrpcMessages {
 public:
  void feed(std::span<const std::uint8_t> bytes);
  std::uint64_t count() const { return count_; }

 private:
  std::uint64_t count_ = 0;
  std::uint32_t length_ = 0;  // of the message whose prefix is being read
  std::uint32_t left_ = 0;    // bytes of the message that are still to come
  std::uint8_t prefix_ = 0;   // bytes of the prefix that have come
};

/// Attempts that are kept with an exchange; what comes beyond only counts.
inline constexpr std::size_t kMaxAttemptRecords = 16;

/// One try at an upstream.
struct AttemptRecord {
  SocketAddress address;      // of the application there; port 0: none was chosen
  Shared<Party> destination;  // nobody: an address outside the mesh
  std::uint16_t status = 0;   // 0: no response began
  ExchangeEnd end = ExchangeEnd::kAnswered;
  std::chrono::steady_clock::duration duration{};  // to the response's head, or to the failure
};

/// Texts are a client's and may hold any byte: whoever writes them escapes. Empty: unknown.
struct ExchangeRecord {
  // The request, as the client sent it.
  http::Version version = http::Version::kHttp11;
  bool grpc = false;  // content-type application/grpc...
  std::string method;
  std::string path;  // before any rewrite, with its query
  std::string authority;
  std::string user_agent;
  std::string forwarded_for;  // as it goes on
  std::string request_id;

  // Who, and where to.
  bool mutual_tls = false;  // the client came by a tunnel
  SocketAddress source_address;
  SocketAddress destination_address;  // as addressed: the service's, the workload's or the edge's
  Shared<Party> source;
  Shared<Party> destination;  // of the attempt that was answered, or the last
  Shared<ServiceName> service;

  // The rule.
  std::string route_name;       // l7::Decision::route_name
  std::string virtual_service;  // "NAMESPACE/NAME"; empty: none spoke of it
  std::size_t rule_index = 0;   // in its `http`
  std::string stat_prefix;      // of the match that took the request; empty: it has none
  std::string cluster;          // "outbound|80|v1|reviews.shop.svc.cluster.local"

  // What became of it.
  std::uint16_t status = 0;  // that the client was sent; 0: none
  std::optional<std::uint16_t> grpc_status;
  ExchangeEnd end = ExchangeEnd::kAnswered;
  ExchangeFlags flags;           // besides the end's own: DI, URX
  std::string details;           // instead of the end's own, where more is known
  std::string upstream_failure;  // of the last attempt, in words: why no connection came about
  std::optional<std::chrono::steady_clock::duration> upstream_time;  // to the response's head

  // What was moved.
  std::uint64_t received_bytes = 0;  // of the request's body
  std::uint64_t sent_bytes = 0;      // of the response's body
  GrpcMessages request_messages;     // fed where `grpc`
  GrpcMessages response_messages;

  std::uint32_t attempts = 0;               // begun; 0: no upstream was asked
  std::vector<AttemptRecord> attempt_list;  // in order, at most kMaxAttemptRecords

  std::uint64_t watched_as = 0;  // its number for those who watch it; 0: nobody did when it began
  std::chrono::system_clock::time_point started{};
  std::chrono::steady_clock::duration duration{};  // from the head's arrival to the last byte sent

  /// `flags` and the end's own.
  ExchangeFlags all_flags() const;
  /// `details`, or the end's own.
  std::string_view code_details() const;
  /// Counts an attempt that has ended, and keeps it while there is room.
  void add_attempt(AttemptRecord attempt);
};

}  // namespace culvert::telemetry
