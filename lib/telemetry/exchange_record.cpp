#include "culvert/telemetry/exchange_record.hpp"

#include <algorithm>
#include <utility>

namespace culvert::telemetry {

namespace {
constexpr std::uint8_t kPrefixBytes = 5;
}

void GrpcMessages::feed(std::span<const std::uint8_t> bytes) {
  while (!bytes.empty()) {
    if (left_ > 0) {
      const auto passed = std::min<std::size_t>(left_, bytes.size());
      left_ -= static_cast<std::uint32_t>(passed);
      bytes = bytes.subspan(passed);
      continue;
    }
    if (prefix_ > 0) length_ = length_ << 8 | bytes.front();  // the first byte is flags
    bytes = bytes.subspan(1);
    if (++prefix_ < kPrefixBytes) continue;
    ++count_;
    prefix_ = 0;
    left_ = std::exchange(length_, 0);
  }
}

ExchangeFlags ExchangeRecord::all_flags() const {
  ExchangeFlags out = flags;
  if (const int own = info(end).flag; own >= 0) out.set(static_cast<ExchangeFlag>(own));
  return out;
}

std::string_view ExchangeRecord::code_details() const {
  return details.empty() ? std::string_view(info(end).details) : std::string_view(details);
}

void ExchangeRecord::add_attempt(AttemptRecord attempt) {
  ++attempts;
  destination = attempt.destination;
  if (attempt_list.size() < kMaxAttemptRecords) attempt_list.push_back(std::move(attempt));
}

}  // namespace culvert::telemetry
