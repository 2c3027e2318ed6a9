// How an HTTP exchange ends, in Envoy's words: one table from what happened to response flag,
// status and response code details. Plain values; any thread.
#pragma once

#include <bitset>
#include <cstdint>
#include <string>

#include "culvert/base/error.hpp"

namespace culvert::telemetry {

/// Envoy's response flags, those that can happen here, in the order in which they are written; and
/// one of ours, CR.
enum class ExchangeFlag : std::uint8_t {
  kNoHealthyUpstream,      // UH
  kUpstreamFailure,        // UF: could not connect
  kUpstreamOverflow,       // UO: a circuit breaker
  kNoRoute,                // NR
  kRetriesExceeded,        // URX: retries, or connection attempts, were used up
  kNoCluster,              // NC
  kDurationTimeout,        // DT: the longest duration of the stream
  kDownstreamTermination,  // DC: the client's connection ended
  kUpstreamTimeout,        // UT
  kLocalReset,             // LR: reset by us
  kUpstreamReset,          // UR: the upstream reset the stream
  kUpstreamTermination,    // UC: the upstream's connection ended
  kDelayInjected,          // DI
  kFaultInjected,          // FI: an abort
  kRateLimited,            // RL
  kUnauthorized,           // UAEX: by policy
  kStreamIdleTimeout,      // SI
  kDownstreamProtocol,     // DPE
  kUpstreamProtocol,       // UPE
  kOverload,               // OM: a bound of this process
  kDownstreamReset,        // DR: the client reset the stream
  kConfigRefused,          // CR, ours: all that was said of the host was refused
};
inline constexpr int kExchangeFlagCount = static_cast<int>(ExchangeFlag::kConfigRefused) + 1;
/// "UH", "UF", ...
const char* to_string(ExchangeFlag flag);

class ExchangeFlags {
 public:
  void set(ExchangeFlag flag) { on_.set(static_cast<std::size_t>(flag)); }
  bool has(ExchangeFlag flag) const { return on_[static_cast<std::size_t>(flag)]; }
  bool none() const { return on_.none(); }
  /// "UF,URX"; "-" for none.
  std::string to_string() const;
  bool operator==(const ExchangeFlags&) const = default;

 private:
  std::bitset<kExchangeFlagCount> on_;
};

/// What became of an exchange, or of one attempt of it. A delay, and retries that were used up, may
/// come on top: they only set a flag.
enum class ExchangeEnd : std::uint8_t {
  kAnswered,        // by the upstream, whatever its status
  kDirectResponse,  // by a rule
  kRedirect,        // by a rule
  kCorsPreflight,   // by a rule
  kFaultAborted,    // by a rule
  kNoHost,          // the gateway serves no such host
  kNoRoute,         // no rule of the host matches
  kNoCluster,       // the rule leads to what nobody has
  kConfigRefused,   // all that was said of the host was refused
  kWaypointLoop,    // it has passed as many waypoints as may be, and would go to another
  kNoHealthyUpstream,
  kOverflow,  // a circuit breaker, or a full pool
  kConnectFailed,
  kConnectTimeout,
  kUpstreamRefused,   // not processed (REFUSED_STREAM, GOAWAY)
  kUpstreamReset,     // before a response
  kUpstreamClosed,    // its connection ended before a response
  kUpstreamProtocol,  // it broke the protocol before a response
  kUpstreamCut,       // it reset the stream in the middle of its response
  kUpstreamLost,      // its connection ended there
  kUpstreamBroken,    // it broke the protocol there, or ended in order before its response did
  kTimeout,           // the route's, of all attempts together
  kTryTimeout,        // one attempt's
  kIdleTimeout,       // nothing moved for too long
  kMaxDuration,       // the longest duration of a stream
  kClientGone,        // its connection ended
  kClientReset,       // it reset the stream
  kClientProtocol,    // it broke the protocol
  kClientTimeout,     // its request's head did not come in time
  kRateLimited,       // nothing ends so yet, nor by the next two
  kDenied,            // by policy
  kOverload,          // a bound of this process
  kLocalReset,        // cut by this process: at the end of a drain, or as a policy changed
};
inline constexpr int kExchangeEndCount = static_cast<int>(ExchangeEnd::kLocalReset) + 1;

struct ExchangeEndInfo {
  const char* name;           // "no-healthy-upstream": in JSON
  int flag;                   // an ExchangeFlag; -1: none
  std::uint16_t http_status;  // of the answer that we make; 0: the upstream's, the rule's, or none
  const char* details;        // Envoy's response code details
};
const ExchangeEndInfo& info(ExchangeEnd end);

/// Where an attempt was when it failed.
enum class AttemptPhase : std::uint8_t { kConnect, kRequest, kResponse };
/// What a failure of the upstream's side is (origin kUpstream, kLocal or kControl). A timeout in
/// kRequest is the attempt's own; whose it was otherwise, the caller knows.
ExchangeEnd end_of(const Error& error, AttemptPhase phase);
/// What a failure of the client's side is (origin kClient).
ExchangeEnd end_of_client(const Error& error);

}  // namespace culvert::telemetry
