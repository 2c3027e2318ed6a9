#include "waypoint/telemetry/tap.hpp"

#include <algorithm>
#include <ranges>
#include <utility>

namespace culvert::waypoint {

Tap::~Tap() {
  for (Node* one = newest_.load(std::memory_order_acquire); one != nullptr;) {
    delete std::exchange(one, one->next);
  }
}

void Tap::push(std::string json) {
  const std::size_t bytes = json.size();
  if (waiting_bytes_.fetch_add(bytes, std::memory_order_relaxed) + bytes > kMaxTapBytes) {
    waiting_bytes_.fetch_sub(bytes, std::memory_order_relaxed);
    dropped_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  auto* made = new Node{std::move(json), newest_.load(std::memory_order_relaxed)};
  while (!newest_.compare_exchange_weak(made->next, made, std::memory_order_release,
                                        std::memory_order_relaxed)) {
  }
}

// Numbers what was pushed. What was dropped meanwhile counts as if it had come before it.
void Tap::take_pushed() {
  std::vector<std::string> newest_first;
  std::size_t bytes = 0;
  for (Node* one = newest_.exchange(nullptr, std::memory_order_acquire); one != nullptr;) {
    bytes += one->json.size();
    newest_first.push_back(std::move(one->json));
    delete std::exchange(one, one->next);
  }
  waiting_bytes_.fetch_sub(bytes, std::memory_order_relaxed);
  if (const auto dropped = dropped_.exchange(0, std::memory_order_relaxed); dropped > 0) {
    first_ += kept_.size() + dropped;
    kept_.clear();
    kept_bytes_ = 0;
  }
  kept_bytes_ += bytes;
  for (auto& json : newest_first | std::views::reverse) kept_.push_back(std::move(json));
  for (; kept_bytes_ > kMaxTapBytes; ++first_) {
    kept_bytes_ -= kept_.front().size();
    kept_.pop_front();
  }
}

Tap::Batch Tap::read(std::uint64_t after, TimePoint now) {
  watched_until_.store((now + kTapWatched).time_since_epoch().count(), std::memory_order_relaxed);
  const std::lock_guard lock(mutex_);
  take_pushed();
  Batch out;
  out.next = first_ + kept_.size();
  const auto from = std::min(after, out.next);
  out.lost = first_ > from ? first_ - from : 0;
  for (auto at = std::max(from, first_); at < out.next; ++at) {
    out.events.push_back(kept_[static_cast<std::size_t>(at - first_)]);
  }
  return out;
}

}  // namespace culvert::waypoint
