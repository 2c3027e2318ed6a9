// When a request is tried again: Envoy's conditions (router filter, x-envoy-retry-on and
// x-envoy-retry-grpc-on) and how long to wait before. Pure; the clock and chance are passed in.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "culvert/l7/random.hpp"

namespace culvert::l7 {

enum class RetryCondition : std::uint16_t {
  k5xx = 1 << 0,
  kGatewayError = 1 << 1,
  kReset = 1 << 2,
  kResetBeforeRequest = 1 << 3,
  kConnectFailure = 1 << 4,
  kRetriable4xx = 1 << 5,
  kRefusedStream = 1 << 6,
  kRetriableStatusCodes = 1 << 7,
  kGrpcCancelled = 1 << 8,
  kGrpcDeadlineExceeded = 1 << 9,
  kGrpcInternal = 1 << 10,
  kGrpcResourceExhausted = 1 << 11,
  kGrpcUnavailable = 1 << 12,
  kEnvoyRatelimited = 1 << 13,
  kRetriableHeaders = 1 << 14,
  kHttp3PostConnectFailure = 1 << 15,  // never applies: nobody is asked by HTTP/3
};

struct RetryOn {
  std::uint16_t conditions = 0;  // of RetryCondition
  std::vector<std::uint16_t> status_codes;
  std::vector<std::string> header_names;  // in small letters; rules name none, callers may

  bool has(RetryCondition condition) const {
    return (conditions & static_cast<std::uint16_t>(condition)) != 0;
  }
  bool operator==(const RetryOn&) const = default;
};
/// "5xx,reset,503": names of conditions and status codes, blanks around them. The error is the
/// first word that is neither.
std::expected<RetryOn, std::string> parse_retry_on(std::string_view text);
/// The names that parse_retry_on knows.
const std::vector<std::string>& retry_condition_names();

/// How an attempt ended, in the order in which one may come to know it.
struct AttemptResult {
  enum class Kind : std::uint8_t {
    kResponse,        // headers came: status, and grpc_status where the headers or trailers have it
    kConnectFailure,  // no connection, or it ended before the request was on it
    kReset,           // the stream or connection ended before any response
    kRefusedStream,   // HTTP/2 REFUSED_STREAM, or GOAWAY below the stream's number
    kPerTryTimeout,
    kOverflow,  // a limit of the connection pool: never tried again
  };
  Kind kind = Kind::kResponse;
  bool request_sent = true;  // kReset: some of the request's headers had left
  std::uint16_t status = 0;
  std::optional<std::uint32_t> grpc_status;
  bool rate_limited = false;      // x-envoy-ratelimited: what no other condition tries again
  bool retriable_header = false;  // one of RetryOn::header_names
};

/// Whether the conditions ask for another attempt. What remains of attempts, time and budget is the
/// caller's to see. The route's own timeout is no AttemptResult: it ends everything.
bool asks_for_retry(const RetryOn& on, const AttemptResult& result);

struct RetryPolicy {
  std::uint32_t attempts = 2;  // after the first
  RetryOn on;
  std::optional<std::chrono::milliseconds> per_try_timeout;  // nullopt: the route's
  std::chrono::milliseconds backoff{25};
  bool avoid_previous_hosts = true;
  bool operator==(const RetryPolicy&) const = default;
};

/// Where a rule says nothing: Istio's two retries on what is safe to send again.
RetryPolicy default_retry_policy();

/// What a caller that is believed says of retries in its request's headers.
struct RetryWishes {
  std::optional<std::uint32_t> max_retries;  // x-envoy-max-retries
  RetryOn on;  // x-envoy-retry-on, x-envoy-retry-grpc-on, x-envoy-retriable-status-codes and
               // x-envoy-retriable-header-names: none of them if empty
};
/// Takes in one header, its name in small letters. What it does not know counts for nothing.
void read_retry_wish(RetryWishes& wishes, std::string_view name, std::string_view value);
/// The rule's retries (null: it has none) and what the caller wishes beside them: its conditions
/// come to the rule's, and ask for one retry where there is no rule's; its number is in force.
RetryPolicy with_wishes(const RetryPolicy* rules, const RetryWishes& wishes);

/// How many times a retry looks for a host that was not tried before it takes any.
inline constexpr std::uint32_t kHostSelectionAttempts = 5;
/// The longest wait is this many times the shortest.
inline constexpr std::uint32_t kBackoffGrowth = 10;

/// The wait before retry number `retry` (from 1): evenly drawn below base * (2^retry - 1), and
/// below kBackoffGrowth * base (Envoy's fully jittered back-off).
std::chrono::milliseconds retry_backoff(const RetryPolicy& policy, std::uint32_t retry,
                                        Random& random);

/// How many retries may run at the same time beside `active` requests (Envoy's RetryBudget).
struct RetryBudget {
  double percent = 20;
  std::uint32_t min_concurrency = 3;
  /// Over how long requests count as active; zero: those that are.
  std::chrono::milliseconds interval{0};
  bool allows(std::uint32_t active_requests, std::uint32_t active_retries) const;
  bool operator==(const RetryBudget&) const = default;
};

}  // namespace culvert::l7
