#include "culvert/telemetry/exchange_end.hpp"

#include <array>

namespace culvert::telemetry {
namespace {

constexpr std::array<const char*, kExchangeFlagCount> kFlags{
    "UH", "UF", "UO", "NR", "URX",  "NC", "DT",  "DC",  "UT", "LR", "UR",
    "UC", "DI", "FI", "RL", "UAEX", "SI", "DPE", "UPE", "OM", "DR", "CR"};

constexpr int kNoFlag = -1;
constexpr int bit(ExchangeFlag flag) {
  return static_cast<int>(flag);
}

using Flag = ExchangeFlag;
#define BEFORE(reason) "upstream_reset_before_response_started{" reason "}"
#define AFTER(reason) "upstream_reset_after_response_started{" reason "}"
// In the order of ExchangeEnd.
constexpr std::array<ExchangeEndInfo, kExchangeEndCount> kEnds{{
    {"answered", kNoFlag, 0, "via_upstream"},
    {"direct-response", kNoFlag, 0, "direct_response"},
    {"redirect", kNoFlag, 0, "direct_response"},
    {"cors-preflight", kNoFlag, 200, "cors_response"},
    {"fault-aborted", bit(Flag::kFaultInjected), 0, "fault_filter_abort"},
    {"no-host", bit(Flag::kNoRoute), 404, "route_not_found"},
    {"no-route", bit(Flag::kNoRoute), 404, "route_not_found"},
    {"no-cluster", bit(Flag::kNoCluster), 503, "cluster_not_found"},
    {"config-refused", bit(Flag::kConfigRefused), 503, "configuration_refused"},
    {"waypoint-loop", bit(Flag::kNoRoute), 508, "too_many_waypoints"},
    {"no-healthy-upstream", bit(Flag::kNoHealthyUpstream), 503, "no_healthy_upstream"},
    {"overflow", bit(Flag::kUpstreamOverflow), 503, BEFORE("overflow")},
    {"connect-failed", bit(Flag::kUpstreamFailure), 503, BEFORE("remote_connection_failure")},
    {"connect-timeout", bit(Flag::kUpstreamFailure), 503, BEFORE("connection_timeout")},
    {"upstream-refused", bit(Flag::kUpstreamReset), 503, BEFORE("remote_refused_stream_reset")},
    {"upstream-reset", bit(Flag::kUpstreamReset), 503, BEFORE("remote_reset")},
    {"upstream-closed", bit(Flag::kUpstreamTermination), 503, BEFORE("connection_termination")},
    {"upstream-protocol", bit(Flag::kUpstreamProtocol), 502, BEFORE("protocol_error")},
    {"upstream-cut", bit(Flag::kUpstreamReset), 0, AFTER("remote_reset")},
    {"upstream-lost", bit(Flag::kUpstreamTermination), 0, AFTER("connection_termination")},
    {"upstream-broken", bit(Flag::kUpstreamProtocol), 0, AFTER("protocol_error")},
    {"timeout", bit(Flag::kUpstreamTimeout), 504, "response_timeout"},
    {"try-timeout", bit(Flag::kUpstreamTimeout), 504, "upstream_per_try_timeout"},
    {"idle-timeout", bit(Flag::kStreamIdleTimeout), 408, "stream_idle_timeout"},
    {"max-duration", bit(Flag::kDurationTimeout), 0, "max_duration_timeout"},
    {"client-gone", bit(Flag::kDownstreamTermination), 0, "downstream_remote_disconnect"},
    {"client-reset", bit(Flag::kDownstreamReset), 0, "downstream_remote_reset"},
    {"client-protocol", bit(Flag::kDownstreamProtocol), 400, "http.codec_error"},
    {"client-timeout", kNoFlag, 408, "request_overall_timeout"},
    {"rate-limited", bit(Flag::kRateLimited), 429, "request_rate_limited"},
    {"denied", bit(Flag::kUnauthorized), 403, "rbac_access_denied"},
    {"overload", bit(Flag::kOverload), 503, "overload"},
    {"local-reset", bit(Flag::kLocalReset), 0, "local_reset"},
}};
#undef BEFORE
#undef AFTER

}  // namespace

const char* to_string(ExchangeFlag flag) {
  return kFlags[static_cast<std::size_t>(flag)];
}

std::string ExchangeFlags::to_string() const {
  if (none()) return "-";
  std::string out;
  for (std::size_t i = 0; i < kFlags.size(); ++i) {
    if (!on_[i]) continue;
    if (!out.empty()) out += ',';
    out += kFlags[i];
  }
  return out;
}

const ExchangeEndInfo& info(ExchangeEnd end) {
  return kEnds[static_cast<std::size_t>(end)];
}

ExchangeEnd end_of(const Error& error, AttemptPhase phase) {
  if (error.code == ErrorCode::kNoUpstream) return ExchangeEnd::kNoHealthyUpstream;
  if (error.code == ErrorCode::kLimit) return ExchangeEnd::kOverflow;
  if (phase == AttemptPhase::kConnect) {
    return error.code == ErrorCode::kTimeout ? ExchangeEnd::kConnectTimeout
                                             : ExchangeEnd::kConnectFailed;
  }
  const bool begun = phase == AttemptPhase::kResponse;
  switch (error.code) {
    case ErrorCode::kTimeout:
      return begun ? ExchangeEnd::kTimeout : ExchangeEnd::kTryTimeout;
    case ErrorCode::kRefused:
      return begun ? ExchangeEnd::kUpstreamCut : ExchangeEnd::kUpstreamRefused;
    case ErrorCode::kProtocol:
    case ErrorCode::kInvalid:
      return begun ? ExchangeEnd::kUpstreamBroken : ExchangeEnd::kUpstreamProtocol;
    case ErrorCode::kClosed:
    case ErrorCode::kTls:
      return begun ? ExchangeEnd::kUpstreamLost : ExchangeEnd::kUpstreamClosed;
    default:
      return begun ? ExchangeEnd::kUpstreamCut : ExchangeEnd::kUpstreamReset;
  }
}

ExchangeEnd end_of_client(const Error& error) {
  switch (error.code) {
    case ErrorCode::kTimeout:
      return ExchangeEnd::kClientTimeout;
    case ErrorCode::kLimit:
    case ErrorCode::kProtocol:
    case ErrorCode::kInvalid:
      return ExchangeEnd::kClientProtocol;
    case ErrorCode::kReset:
      return ExchangeEnd::kClientReset;
    default:
      return ExchangeEnd::kClientGone;
  }
}

}  // namespace culvert::telemetry
