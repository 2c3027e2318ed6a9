#include "waypoint/http/shared_places.hpp"

#include <algorithm>
#include <cassert>

namespace culvert::waypoint {

bool add_below(std::atomic<std::uint32_t>& count, std::uint32_t limit) {
  auto seen = count.load(std::memory_order_relaxed);
  while (seen < limit) {
    if (count.compare_exchange_weak(seen, seen + 1, std::memory_order_relaxed)) return true;
  }
  return false;
}

SharedPlaces::Part& SharedPlaces::join(Tell tell) {
  const MutexLock hold(mutex_);
  return parts_.emplace_back(std::move(tell));
}

void SharedPlaces::leave(Part& part) {
  const MutexLock hold(mutex_);
  waiting_.fetch_sub(part.waiting_, std::memory_order_relaxed);
  const auto promised = part.promised_;  // and not heard of
  promised_ -= promised;
  parts_.remove_if([&](const Part& one) { return &one == &part; });
  for (std::uint32_t i = 0; i < promised; ++i) tell_next();
}

void SharedPlaces::count(const SocketAddress* at) {
  ++connections_;
  if (at != nullptr) ++by_endpoint_[*at];
}

bool SharedPlaces::take_locked(const Wanted& wanted) {
  const bool first = wanted.at != nullptr && !by_endpoint_.contains(*wanted.at);
  const bool room = connections_ + promised_ < wanted.limit || first || wanted.regardless;
  if (room) count(wanted.at);
  return room;
}

bool SharedPlaces::take(const Wanted& wanted) {
  const MutexLock hold(mutex_);
  return take_locked(wanted);
}

bool SharedPlaces::take_or_wait(Part& part, const Wanted& wanted, io::Deadline since) {
  const MutexLock hold(mutex_);
  if (take_locked(wanted)) return true;
  part.since_ = part.waiting_ == 0 ? since : std::min(part.since_, since);
  part.limit_ = wanted.limit;
  ++part.waiting_;
  waiting_.fetch_add(1, std::memory_order_relaxed);
  for (auto& other : parts_) {
    if (&other == &part || std::exchange(other.told_wanted_, true)) continue;
    other.tell_(PlaceNews::kWanted);
  }
  return false;
}

void SharedPlaces::take_promised(Part& part, const SocketAddress* at) {
  const MutexLock hold(mutex_);
  assert(part.promised_ > 0);
  --part.promised_;
  --promised_;
  count(at);
}

void SharedPlaces::wait_no_more(Part& part, io::Deadline oldest) {
  const MutexLock hold(mutex_);
  if (part.waiting_ == 0) return;  // its news are on the way, for whoever waits there then
  --part.waiting_;
  part.since_ = std::max(part.since_, oldest);
  waiting_.fetch_sub(1, std::memory_order_relaxed);
}

// To the part whose turn it is; it is behind the others then. Whoever comes first would have the
// place before the news is there: it is kept.
void SharedPlaces::tell_next() {
  Part* next = nullptr;
  for (auto& part : parts_) {
    if (part.waiting_ > 0 && (next == nullptr || part.since_ < next->since_)) next = &part;
  }
  if (next == nullptr) return;
  --next->waiting_;
  waiting_.fetch_sub(1, std::memory_order_relaxed);
  next->since_ = io::Clock::now();
  const bool room = connections_ + promised_ < next->limit_;
  if (room) {
    ++next->promised_;
    ++promised_;
  }
  next->tell_(room ? PlaceNews::kPromised : PlaceNews::kChanged);
}

void SharedPlaces::give_back(const SocketAddress* at) {
  const MutexLock hold(mutex_);
  assert(connections_ > 0);
  --connections_;
  if (at != nullptr) {
    const auto there = by_endpoint_.find(*at);
    if (--there->second == 0) by_endpoint_.erase(there);
  }
  tell_next();
}

void SharedPlaces::pass_on(Part& part, bool promised) {
  const MutexLock hold(mutex_);
  if (promised) {
    --part.promised_;
    --promised_;
  }
  tell_next();
}

void SharedPlaces::heard(Part& part) {
  const MutexLock hold(mutex_);
  part.told_wanted_ = false;
}

bool SharedPlaces::should_yield(const Part& part, bool has_waiters, io::Deadline now) const {
  if (waiting_.load(std::memory_order_relaxed) == 0) return false;
  const MutexLock hold(mutex_);
  return std::ranges::any_of(parts_, [&](const Part& other) {
    if (&other == &part || other.waiting_ == 0) return false;
    return !has_waiters || other.since_ + kPlaceTurn <= now;
  });
}

void SharedPlaces::yields(Part& part, io::Deadline now) {
  const MutexLock hold(mutex_);
  part.since_ = now;
}

std::uint32_t SharedPlaces::connections() const {
  const MutexLock hold(mutex_);
  return connections_;
}

}  // namespace culvert::waypoint
