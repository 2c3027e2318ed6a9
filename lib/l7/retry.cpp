#include "culvert/l7/retry.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <ranges>

namespace culvert::l7 {
namespace {

struct ConditionName {
  std::string_view name;
  RetryCondition condition;
};
constexpr std::array kConditions = {
    ConditionName{"5xx", RetryCondition::k5xx},
    ConditionName{"gateway-error", RetryCondition::kGatewayError},
    ConditionName{"reset", RetryCondition::kReset},
    ConditionName{"reset-before-request", RetryCondition::kResetBeforeRequest},
    ConditionName{"connect-failure", RetryCondition::kConnectFailure},
    ConditionName{"retriable-4xx", RetryCondition::kRetriable4xx},
    ConditionName{"refused-stream", RetryCondition::kRefusedStream},
    ConditionName{"retriable-status-codes", RetryCondition::kRetriableStatusCodes},
    ConditionName{"cancelled", RetryCondition::kGrpcCancelled},
    ConditionName{"deadline-exceeded", RetryCondition::kGrpcDeadlineExceeded},
    ConditionName{"internal", RetryCondition::kGrpcInternal},
    ConditionName{"resource-exhausted", RetryCondition::kGrpcResourceExhausted},
    ConditionName{"unavailable", RetryCondition::kGrpcUnavailable},
    ConditionName{"envoy-ratelimited", RetryCondition::kEnvoyRatelimited},
    ConditionName{"retriable-headers", RetryCondition::kRetriableHeaders},
    ConditionName{"http3-post-connect-failure", RetryCondition::kHttp3PostConnectFailure},
};

std::string_view trim(std::string_view text) {
  while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
  while (text.ends_with(' ') || text.ends_with('\t')) text.remove_suffix(1);
  return text;
}

std::optional<std::uint16_t> parse_status(std::string_view text) {
  std::uint16_t code = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), code);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return code >= 100 && code <= 599 ? std::optional(code) : std::nullopt;
}

void set(RetryOn& on, RetryCondition condition) {
  on.conditions = static_cast<std::uint16_t>(on.conditions | static_cast<std::uint16_t>(condition));
}

/// Each word of a list with commas, without blanks around it.
void for_each_word(std::string_view list, auto&& take) {
  for (const auto part : std::views::split(list, ',')) {
    const auto word = trim(std::string_view(part.begin(), part.end()));
    if (!word.empty()) take(word);
  }
}

/// `more` comes to it.
void add(RetryOn& on, const RetryOn& more) {
  on.conditions = static_cast<std::uint16_t>(on.conditions | more.conditions);
  on.status_codes.insert(on.status_codes.end(), more.status_codes.begin(), more.status_codes.end());
  on.header_names.insert(on.header_names.end(), more.header_names.begin(), more.header_names.end());
}

std::string in_small_letters(std::string_view name) {
  std::string out(name);
  for (auto& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

constexpr auto kGrpcConditions =
    static_cast<std::uint16_t>(static_cast<unsigned>(RetryCondition::kGrpcCancelled) |
                               static_cast<unsigned>(RetryCondition::kGrpcDeadlineExceeded) |
                               static_cast<unsigned>(RetryCondition::kGrpcInternal) |
                               static_cast<unsigned>(RetryCondition::kGrpcResourceExhausted) |
                               static_cast<unsigned>(RetryCondition::kGrpcUnavailable));

/// Status codes of gRPC (grpc/doc/statuscodes.md).
bool grpc_asks(const RetryOn& on, std::uint32_t status) {
  using enum RetryCondition;
  switch (status) {
    case 1:
      return on.has(kGrpcCancelled);
    case 4:
      return on.has(kGrpcDeadlineExceeded);
    case 8:
      return on.has(kGrpcResourceExhausted);
    case 13:
      return on.has(kGrpcInternal);
    case 14:
      return on.has(kGrpcUnavailable);
    default:
      return false;
  }
}

bool response_asks(const RetryOn& on, const AttemptResult& result) {
  using enum RetryCondition;
  if (result.rate_limited) return on.has(kEnvoyRatelimited);
  const auto status = result.status;
  if (on.has(k5xx) && status >= 500 && status <= 599) return true;
  if (on.has(kGatewayError) && status >= 502 && status <= 504) return true;
  if (on.has(kRetriable4xx) && status == 409) return true;
  if (on.has(kRetriableStatusCodes) &&
      std::ranges::find(on.status_codes, status) != on.status_codes.end()) {
    return true;
  }
  if (on.has(kRetriableHeaders) && result.retriable_header) return true;
  return result.grpc_status && grpc_asks(on, *result.grpc_status);
}

}  // namespace

const std::vector<std::string>& retry_condition_names() {
  static const auto names = [] {
    std::vector<std::string> all;
    for (const auto& one : kConditions) all.emplace_back(one.name);
    return all;
  }();
  return names;
}

std::expected<RetryOn, std::string> parse_retry_on(std::string_view text) {
  RetryOn on;
  while (true) {
    const auto comma = text.find(',');
    const auto word = trim(text.substr(0, comma));
    const auto* known = std::ranges::find(kConditions, word, &ConditionName::name);
    if (known != kConditions.end()) {
      set(on, known->condition);
    } else if (const auto code = parse_status(word)) {
      on.status_codes.push_back(*code);
      set(on, RetryCondition::kRetriableStatusCodes);
    } else if (!word.empty()) {
      return std::unexpected(std::string(word));
    }
    if (comma == std::string_view::npos) return on;
    text.remove_prefix(comma + 1);
  }
}

bool asks_for_retry(const RetryOn& on, const AttemptResult& result) {
  using enum RetryCondition;
  using Kind = AttemptResult::Kind;
  // What ends without a response would be told to the client as a 5xx.
  const bool as_5xx = on.has(k5xx) || on.has(kGatewayError);
  switch (result.kind) {
    case Kind::kResponse:
      return response_asks(on, result);
    case Kind::kConnectFailure:
      return as_5xx || on.has(kConnectFailure) || on.has(kReset) || on.has(kResetBeforeRequest);
    case Kind::kReset:
      return as_5xx || on.has(kReset) || (!result.request_sent && on.has(kResetBeforeRequest));
    case Kind::kRefusedStream:
      return as_5xx || on.has(kRefusedStream) || on.has(kReset);
    case Kind::kPerTryTimeout:
      return as_5xx || on.has(kReset);
    case Kind::kOverflow:
      return false;
  }
  return false;
}

RetryPolicy default_retry_policy() {
  RetryPolicy policy;
  for (const auto condition : {RetryCondition::kConnectFailure, RetryCondition::kRefusedStream,
                               RetryCondition::kGrpcUnavailable, RetryCondition::kGrpcCancelled,
                               RetryCondition::kRetriableStatusCodes}) {
    set(policy.on, condition);
  }
  return policy;
}

void read_retry_wish(RetryWishes& wishes, std::string_view name, std::string_view value) {
  auto& on = wishes.on;
  if (name == "x-envoy-max-retries") {
    std::uint32_t number = 0;
    const auto* const last = value.data() + value.size();
    const auto [end, error] = std::from_chars(value.data(), last, number);
    wishes.max_retries = error == std::errc() && end == last ? std::optional(number) : std::nullopt;
  } else if (name == "x-envoy-retry-on" || name == "x-envoy-retry-grpc-on") {
    // Each header has conditions of its own kind, and no codes.
    const auto asked =
        name == "x-envoy-retry-on" ? static_cast<std::uint16_t>(~kGrpcConditions) : kGrpcConditions;
    for_each_word(value, [&](std::string_view word) {
      const auto known = parse_retry_on(word);  // none: of a newer proxy
      if (known && known->status_codes.empty())
        on.conditions = static_cast<std::uint16_t>(on.conditions | (known->conditions & asked));
    });
  } else if (name == "x-envoy-retriable-status-codes") {
    for_each_word(value, [&on](std::string_view word) {
      if (const auto code = parse_status(word)) on.status_codes.push_back(*code);
    });
  } else if (name == "x-envoy-retriable-header-names") {
    for_each_word(
        value, [&on](std::string_view word) { on.header_names.push_back(in_small_letters(word)); });
  }
}

RetryPolicy with_wishes(const RetryPolicy* rules, const RetryWishes& wishes) {
  RetryPolicy policy;
  if (rules != nullptr) policy = *rules;
  add(policy.on, wishes.on);
  if (rules == nullptr) policy.attempts = policy.on.conditions != 0 ? 1 : 0;
  if (wishes.max_retries) policy.attempts = *wishes.max_retries;
  return policy;
}

std::chrono::milliseconds retry_backoff(const RetryPolicy& policy, std::uint32_t retry,
                                        Random& random) {
  const auto base = std::max<std::int64_t>(policy.backoff.count(), 1);
  const auto longest = base * kBackoffGrowth;
  const auto bound =
      retry >= 32 ? longest : std::min(longest, base * ((std::int64_t{1} << retry) - 1));
  // The drawn number has 32 bits: back-offs are bounded by the validators far below.
  const auto capped = std::min<std::int64_t>(std::max<std::int64_t>(bound, 1), UINT32_MAX);
  return std::chrono::milliseconds(random.below(static_cast<std::uint64_t>(capped)));
}

bool RetryBudget::allows(std::uint32_t active_requests, std::uint32_t active_retries) const {
  const auto share = static_cast<std::uint32_t>(active_requests * percent / 100.0);
  return active_retries < std::max(share, min_concurrency);
}

}  // namespace culvert::l7
