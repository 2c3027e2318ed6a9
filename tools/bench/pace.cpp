#include "bench/pace.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace culvert::bench {

void Pace::start() {
  start_ns_ = now_ns();
  count_from_ns_ = start_ns_ + static_cast<std::uint64_t>(options_.warm_up * 1e9);
  stop_ns_ = count_from_ns_ + static_cast<std::uint64_t>(options_.seconds * 1e9);
}

std::uint64_t Pace::due_at(std::uint64_t number) const {
  const std::uint64_t together = number - number % options_.burst;
  return start_ns_ +
         static_cast<std::uint64_t>(static_cast<double>(together) * 1e9 / options_.rate);
}

std::uint64_t Pace::next_wake(unsigned busy, bool can_send) const {
  const std::uint64_t limit = busy > 0 ? give_up_ns() : stop_ns_;
  if (options_.rate <= 0 || !can_send) return limit;
  return std::min(limit, due_at(sent_));
}

std::optional<std::uint64_t> Pace::take_due(std::uint64_t now) {
  const std::uint64_t due = options_.rate > 0 ? due_at(sent_) : now;
  if (now >= stop_ns_ || due > now || due >= stop_ns_) return std::nullopt;
  ++sent_;
  return due;
}

void Pace::answered(std::uint64_t due_ns, std::uint64_t now) {
  ++answered_;
  if (due_ns >= count_from_ns_) latency_.add(now - due_ns);
  if (now >= count_from_ns_ && now < stop_ns_) ++counted_;
}

int Pace::print(const Failures& failures) const {
  fmt::print(R"({{"requests":{},"answered_in_all":{},"seconds":{:.3f},"per_s":{:.1f},)"
             R"("latency_us":{},"wrong":{},"failures":{}}})"
             "\n",
             counted_, answered_, options_.seconds,
             static_cast<double>(counted_) / options_.seconds, latency_.to_json(),
             failures.wrong_count(), failures.to_json());
  return failures.exit_status();
}

}  // namespace culvert::bench
