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
  const auto promised = std::move(part.promised_);  // and not heard of
  promised_ -= static_cast<std::uint32_t>(promised.size());
  parts_.remove_if([&](const Part& one) { return &one == &part; });
  for (const auto& at : promised) offer(at);
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
    other.tell_(PlaceNews::kWanted, std::nullopt);
  }
  return false;
}

void SharedPlaces::take_promised(Part& part, const SocketAddress* at) {
  const MutexLock hold(mutex_);
  count(at);
  leave_endpoint(end_promise(part, at));
}

// One where `at` is, if there is one; else the oldest.
SharedPlaces::At SharedPlaces::end_promise(Part& part, const SocketAddress* at) {
  auto& all = part.promised_;
  assert(!all.empty());
  auto found = std::ranges::find_if(all, [&](const At& one) { return at && one == *at; });
  if (found == all.end()) found = all.begin();
  auto out = *found;
  all.erase(found);
  --promised_;
  return out;
}

void SharedPlaces::wait_no_more(Part& part, io::Deadline oldest) {
  const MutexLock hold(mutex_);
  if (part.waiting_ == 0) return;  // its news are on the way, for whoever waits there then
  --part.waiting_;
  part.since_ = std::max(part.since_, oldest);
  waiting_.fetch_sub(1, std::memory_order_relaxed);
}

// A place that counts at its endpoint alone. To the part whose turn it is; it is behind the others
// then. Whoever comes first would have the place before the news is there, as the first at an
// endpoint too: it is kept, and counts there still.
void SharedPlaces::offer(const At& at) {
  Part* next = nullptr;
  for (auto& part : parts_) {
    if (part.waiting_ == 0 || connections_ + promised_ >= part.limit_) continue;
    if (next == nullptr || part.since_ < next->since_) next = &part;
  }
  if (next == nullptr) return leave_endpoint(at);
  --next->waiting_;
  waiting_.fetch_sub(1, std::memory_order_relaxed);
  next->since_ = io::Clock::now();
  next->promised_.push_back(at);
  ++promised_;
  next->tell_(PlaceNews::kPromised, at);
}

// Who waits for an endpoint that has no connection any more is not refused, however many others
// have; who that is, and whether there is anybody, the parts know.
void SharedPlaces::leave_endpoint(const At& at) {
  if (!at) return;
  const auto there = by_endpoint_.find(*at);
  if (--there->second > 0) return;
  by_endpoint_.erase(there);
  for (auto& part : parts_) {
    if (part.waiting_ > 0) part.tell_(PlaceNews::kFree, at);
  }
}

void SharedPlaces::give_back(const SocketAddress* at) {
  const MutexLock hold(mutex_);
  assert(connections_ > 0);
  --connections_;
  offer(at != nullptr ? At(*at) : std::nullopt);
}

void SharedPlaces::pass_on(Part& part) {
  const MutexLock hold(mutex_);
  offer(end_promise(part, nullptr));
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
