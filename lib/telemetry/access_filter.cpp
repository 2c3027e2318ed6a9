#include "culvert/telemetry/access_filter.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace culvert::telemetry {
namespace {

constexpr const char* kTerms =
    "errors, direction=inbound|outbound|waypoint, namespace=NAME|NAME, reason=FLAG|FLAG, "
    "sample=SHARE";

// Calls `each(part)` for the parts of `text` between `separator`, until one returns false.
template <class Each>
bool split(std::string_view text, char separator, Each each) {
  while (!text.empty()) {
    const auto end = text.find(separator);
    if (!each(text.substr(0, end))) return false;
    text = end == std::string_view::npos ? "" : text.substr(end + 1);
  }
  return true;
}

std::string known_flags() {
  std::string out;
  for (int i = 0; i < kResponseFlagCount; ++i) {
    out.append(i == 0 ? "" : ", ").append(to_string(static_cast<ResponseFlag>(i)));
  }
  out += "; of requests ";
  for (int i = 0; i < kExchangeFlagCount; ++i) {
    out.append(i == 0 ? "" : ", ").append(to_string(static_cast<ExchangeFlag>(i)));
  }
  return out;
}

std::optional<Direction> direction_named(std::string_view text) {
  for (int i = 0; i < kDirectionCount; ++i) {
    if (to_string(static_cast<Direction>(i)) == text) return static_cast<Direction>(i);
  }
  return std::nullopt;
}

constexpr std::uint32_t kWithoutFlag = 1U << static_cast<unsigned>(kExchangeFlagCount);
static_assert(kExchangeFlagCount < 32 && kResponseFlagCount <= 32, "bits of a mask");

std::uint32_t flag_bits(const ExchangeRecord& record) {
  const auto flags = record.all_flags();
  std::uint32_t out = flags.none() ? kWithoutFlag : 0;
  for (int i = 0; i < kExchangeFlagCount; ++i) {
    if (flags.has(static_cast<ExchangeFlag>(i))) out |= 1U << static_cast<unsigned>(i);
  }
  return out;
}

}  // namespace

std::expected<void, std::string> AccessFilter::add(std::string_view term) {
  const auto equals = term.find('=');
  const std::string_view key = term.substr(0, equals);
  const std::string_view value = equals == std::string_view::npos ? "" : term.substr(equals + 1);
  if (term == "errors") {
    errors_only_ = true;
  } else if (const auto direction = direction_named(value); key == "direction" && direction) {
    direction_ = direction;
  } else if (key == "namespace" && !value.empty()) {
    split(value, '|', [&](std::string_view one) {
      namespaces_.emplace_back(one);
      return true;
    });
  } else if (key == "reason" && !value.empty()) {
    std::string_view unknown;
    split(value, '|', [&](std::string_view one) {
      if (!add_reason(one)) unknown = one;
      return unknown.empty();
    });
    if (!unknown.empty()) {
      return std::unexpected(
          fmt::format("\"{}\" is no reason; reasons are {}", unknown, known_flags()));
    }
  } else if (key == "sample") {
    double share = 0;
    const auto [end, wrong] = std::from_chars(value.data(), value.data() + value.size(), share);
    const bool whole = wrong == std::errc{} && end == value.data() + value.size();
    if (!whole || !(share >= 0 && share <= 1)) {
      return std::unexpected(fmt::format("\"{}\" is no share between 0 and 1", value));
    }
    share_ = share;
  } else {
    return std::unexpected(fmt::format("\"{}\" is no term; terms are {}", term, kTerms));
  }
  return {};
}

// A connection's flag, or a request's; "-" is both's.
bool AccessFilter::add_reason(std::string_view name) {
  bool known = false;
  for (int i = 0; i < kResponseFlagCount; ++i) {
    if (to_string(static_cast<ResponseFlag>(i)) != name) continue;
    reasons_ |= 1U << static_cast<unsigned>(i);
    known = true;
  }
  for (int i = 0; i < kExchangeFlagCount; ++i) {
    if (to_string(static_cast<ExchangeFlag>(i)) != name) continue;
    request_reasons_ |= 1U << static_cast<unsigned>(i);
    known = true;
  }
  if (name == to_string(ResponseFlag::kNone)) request_reasons_ |= kWithoutFlag;
  by_reason_ = true;
  return known;
}

std::expected<AccessFilter, std::string> AccessFilter::parse(std::string_view text) {
  if (text.size() > kMaxFilterBytes) return std::unexpected("the filter is too long");
  AccessFilter out;
  out.text_ = text;
  std::string problem;
  split(text, ',', [&](std::string_view term) {
    const auto added = out.add(term);
    if (!added) problem = added.error();
    return added.has_value();
  });
  if (!problem.empty()) return std::unexpected(problem);
  return out;
}

bool AccessFilter::takes_namespace(const Party& source, const Party& destination) const {
  const auto listed = [&](const std::string& ns) {
    return std::ranges::find(namespaces_, ns) != namespaces_.end();
  };
  return namespaces_.empty() || listed(source.namespace_name) || listed(destination.namespace_name);
}

bool AccessFilter::takes_share(bool failed) {
  if (failed || share_ >= 1) return true;
  due_ += share_;
  if (due_ < 1) return false;
  due_ -= 1;
  return true;
}

bool AccessFilter::wants(const ConnectionRecord& record) {
  const bool failed = !record.outcome->error.empty();
  if (errors_only_ && !failed) return false;
  if (direction_ && record.direction != *direction_) return false;
  if (by_reason_ && (reasons_ & (1U << static_cast<unsigned>(record.flag))) == 0) return false;
  return takes_namespace(*record.source, *record.destination) && takes_share(failed);
}

bool AccessFilter::wants(const ExchangeRecord& record) {
  constexpr std::uint16_t kFirstFailure = 500;
  const bool failed = record.status == 0 || record.status >= kFirstFailure;
  if (errors_only_ && !failed) return false;
  if (direction_ && *direction_ != Direction::kWaypoint) return false;
  if (by_reason_ && (request_reasons_ & flag_bits(record)) == 0) return false;
  return takes_namespace(*record.source, *record.destination) && takes_share(failed);
}

}  // namespace culvert::telemetry
