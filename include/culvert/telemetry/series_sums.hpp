// SeriesSums: what workers counted by label set, handed over without a lock and added up. The half
// that connections' metrics and requests' have in common.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace culvert::telemetry {

/// What a worker counted in one label set since it last handed over.
template <class Counts>
struct Counted {
  std::shared_ptr<const std::string> labels;
  Counts counts;
};

/// Whether a label set that was last used then is to be forgotten; an expiry of 0: never.
inline bool is_idle(std::chrono::steady_clock::time_point last_used,
                    std::chrono::steady_clock::time_point now, std::chrono::seconds expiry) {
  return expiry.count() > 0 && now - last_used >= expiry;
}

/// `Sum` has a member `counts`. Outlives the workers; any thread.
template <class Counts, class Sum>
class SeriesSums {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  using CountedList = std::vector<Counted<Counts>>;

  /// Beyond `max_sums` label sets what is new is counted in the one that `overflow_labels` names.
  SeriesSums(std::size_t max_sums, std::chrono::seconds idle_expiry, std::string overflow_labels)
      : max_sums_(max_sums),
        idle_expiry_(idle_expiry),
        overflow_labels_(std::make_shared<const std::string>(std::move(overflow_labels))) {}
  SeriesSums(const SeriesSums&) = delete;
  SeriesSums& operator=(const SeriesSums&) = delete;
  ~SeriesSums() {
    for (Deposit* one = newest_.load(std::memory_order_acquire); one != nullptr;) {
      delete std::exchange(one, one->next);
    }
  }

  /// Takes what a worker collected, without a lock: data threads call it.
  void deposit(CountedList counted) {
    auto* made = new Deposit{std::move(counted), newest_.load(std::memory_order_relaxed)};
    while (!newest_.compare_exchange_weak(made->next, made, std::memory_order_release,
                                          std::memory_order_relaxed)) {
    }
  }

  /// Adds up what was deposited and forgets idle label sets.
  void settle(TimePoint now) {
    const std::lock_guard lock(mutex_);
    for (Deposit* one = newest_.exchange(nullptr, std::memory_order_acquire); one != nullptr;) {
      for (const auto& series : one->counted) {
        Entry& entry = entry_of(series.labels);
        entry.sum.counts += series.counts;
        entry.last_used = now;
      }
      delete std::exchange(one, one->next);
    }
    std::erase_if(sums_, [&](const auto& entry) {
      return is_idle(entry.second.last_used, now, idle_expiry_);
    });
  }

  /// Calls `use(range of pairs of labels and Entry)` under the lock, and returns what it does.
  template <class Use>
  decltype(auto) look(Use use) const {
    const std::lock_guard lock(mutex_);
    return use(sums_);
  }
  template <class Use>
  decltype(auto) change(Use use) {
    const std::lock_guard lock(mutex_);
    return use(sums_);
  }
  std::size_t size() const {
    return look([](const auto& sums) { return sums.size(); });
  }

  struct Entry {
    std::shared_ptr<const std::string> labels;
    Sum sum;
    TimePoint last_used;
  };

 private:
  struct Deposit {
    CountedList counted;
    Deposit* next;
  };
  Entry& entry_of(const std::shared_ptr<const std::string>& labels) {
    if (const auto it = sums_.find(*labels); it != sums_.end()) return it->second;
    const auto& own = sums_.size() >= max_sums_ ? overflow_labels_ : labels;
    return sums_.try_emplace(std::string_view(*own), Entry{own, {}, {}}).first->second;
  }

  const std::size_t max_sums_;
  const std::chrono::seconds idle_expiry_;
  const std::shared_ptr<const std::string> overflow_labels_;
  std::atomic<Deposit*> newest_{nullptr};
  mutable std::mutex mutex_;  // of scrapes and the control thread, never of a data thread
  // Guarded by mutex_.
  std::map<std::string_view, Entry> sums_;  // keys live in the entries
};

}  // namespace culvert::telemetry
