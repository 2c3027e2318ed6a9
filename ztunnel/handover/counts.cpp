#include "ztunnel/handover/counts.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <charconv>
#include <span>

#include "culvert/base/log.hpp"
#include "ztunnel/handover/words.hpp"

namespace culvert::ztunnel {

using io::Task;
using telemetry::CountedSeries;
using telemetry::TrafficCounts;

namespace {

constexpr std::string_view kSeries = "series ";
constexpr std::string_view kTrust = "trust ";
constexpr std::string_view kCounted = "counted ";

// In the order in which they are said.
constexpr std::uint64_t TrafficCounts::* kCounts[] = {
    &TrafficCounts::opened,       &TrafficCounts::closed,      &TrafficCounts::received_bytes,
    &TrafficCounts::sent_bytes,   &TrafficCounts::failed,      &TrafficCounts::segments,
    &TrafficCounts::retransmits,  &TrafficCounts::rtt_samples, &TrafficCounts::rtt_sum_us,
    &TrafficCounts::rate_samples, &TrafficCounts::rate_sum,
};
static_assert(sizeof kCounts / sizeof *kCounts == sizeof(TrafficCounts) / sizeof(std::uint64_t));

// Takes numbers, each followed by a space or the end, off the front; false when one is missing.
bool take_numbers(std::string_view& text, std::span<std::uint64_t> out) {
  for (auto& number : out) {
    const char* begin = text.data();
    const char* end = begin + text.size();
    const auto [at, error] = std::from_chars(begin, end, number);
    if (error != std::errc() || (at != end && *at != ' ')) return false;
    text.remove_prefix(static_cast<std::size_t>(at - begin) + (at == end ? 0 : 1));
  }
  return true;
}

template <std::size_t kSize>
std::optional<std::array<std::uint64_t, kSize>> only_numbers(std::string_view verb,
                                                             std::string_view packet) {
  std::array<std::uint64_t, kSize> out{};
  if (!packet.starts_with(verb)) return std::nullopt;
  packet.remove_prefix(verb.size());
  return take_numbers(packet, out) && packet.empty() ? std::optional(out) : std::nullopt;
}

}  // namespace

namespace handover {

std::string series_words(const CountedSeries& series) {
  std::string out(kSeries);
  for (const auto count : kCounts) out += fmt::format("{} ", series.counts.*count);
  return out + *series.labels;
}

std::optional<CountedSeries> parse_series(std::string_view packet) {
  if (!packet.starts_with(kSeries)) return std::nullopt;
  packet.remove_prefix(kSeries.size());
  std::array<std::uint64_t, std::size(kCounts)> numbers{};
  if (!take_numbers(packet, numbers) || packet.find('\n') != std::string_view::npos)
    return std::nullopt;
  CountedSeries out{std::make_shared<const std::string>(packet), {}};
  for (std::size_t i = 0; i < numbers.size(); ++i) out.counts.*kCounts[i] = numbers[i];
  return out;
}

}  // namespace handover

Task<Result<void>> CountsTeller::tell(int fd) {
  const OpenNow open = co_await collect_on_loop(loop_, workers_, metrics_);
  said_ = metrics_.untold();
  trust_said_ = trust_.now();
  for (std::size_t i = 0; i < trust_said_.size(); ++i) trust_said_[i] -= trust_had_[i];
  std::erase_if(said_, [](const CountedSeries& series) {
    const bool long_one = series.labels->size() > handover::kMaxCountsPacketBytes / 2;
    if (long_one) log::error("handover: a label set is too long to be told: {}", *series.labels);
    return long_one;
  });
  for (const auto& series : said_) {
    if (auto done = co_await handover::say(fd, handover::series_words(series)); !done)
      co_return done;
  }
  auto done = co_await handover::say(fd, fmt::format("{}{}", kTrust, fmt::join(trust_said_, " ")));
  if (!done) co_return done;
  co_return co_await handover::say(fd, fmt::format("{}{} {} {}", kCounted, open.outbound_sockets,
                                                   open.inbound_sockets, open.connections));
}

void CountsTeller::had() {
  metrics_.told(said_);
  said_.clear();
  for (std::size_t i = 0; i < trust_said_.size(); ++i) {
    trust_had_[i] += std::exchange(trust_said_[i], 0);
  }
}

CountsTaker::Took CountsTaker::take(std::string_view packet) {
  if (auto series = handover::parse_series(packet)) {
    series_.push_back(std::move(*series));
    return Took::kPart;
  }
  if (const auto trust = only_numbers<std::tuple_size_v<proxy::TrustCounts>>(kTrust, packet)) {
    trust_counts_ = *trust;
    return Took::kPart;
  }
  const auto open = only_numbers<3>(kCounted, packet);
  if (!open) return Took::kNothing;
  open_ = {(*open)[0], (*open)[1], (*open)[2]};
  metrics_.deposit(std::exchange(series_, {}));
  metrics_.settle(io::Clock::now());
  trust_.add(std::exchange(trust_counts_, {}));
  return Took::kAll;
}

}  // namespace culvert::ztunnel
