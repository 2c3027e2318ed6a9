// What to tell one ztunnel next (ZDS, lock step: one request, one answer). Pure: it compares what
// ztunnel should hold with what it was told, so nothing is queued and nothing can be lost.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <variant>

#include "handover.hpp"
#include "pod.hpp"

namespace culvert::agent {

struct AddPod {
  Pod pod;
};
struct RemovePod {
  std::string uid;
};
struct EndSnapshot {};
using Step = std::variant<AddPod, RemovePod, EndSnapshot>;

inline constexpr std::chrono::milliseconds kFirstRetry{1000};
inline constexpr std::chrono::milliseconds kMaxRetry{15'000};

class Conversation {
 public:
  using Clock = std::chrono::steady_clock;

  /// The next request: before the snapshot has ended only pods to add, then its end, then whatever
  /// differs. nullopt: nothing before retry_at() or the next change.
  std::optional<Step> next(const Handover::Pods& wanted, bool complete, Clock::time_point now) const;
  /// The answer to `step`, or that it could not be sent (its namespace could not be opened).
  void answered(const Step& step, const std::string& error, Clock::time_point now);
  /// When a failed pod is due again; time_point::max() when none is.
  Clock::time_point retry_at() const;
  /// Tells `handover` again what this ztunnel has answered.
  void report(Handover& handover) const;

 private:
  struct Told {
    std::uint64_t netns_cookie = 0;
    std::string error;  // empty: acked
    std::chrono::milliseconds delay{0};
    Clock::time_point retry_at{};
  };
  std::map<std::string, Told, std::less<>> told_;
  bool snapshot_ended_ = false;
};

}  // namespace culvert::agent
