#include "waypoint/http/cluster_quota.hpp"

#include <cassert>

#include "culvert/io/loop.hpp"
#include "waypoint/http/pool_connections.hpp"
#include "waypoint/http/pool_waiter.hpp"

namespace culvert::waypoint {

ClusterQuota::~ClusterQuota() {
  if (part_ != nullptr) shared_->leave(*part_);
}

// News are for this worker's thread: others only post them there.
SharedPlaces::Part& ClusterQuota::part() {
  if (part_ != nullptr) return *part_;
  auto tell = [loop = &io::Loop::current(), weak = weak_from_this()](PlaceNews news,
                                                                     const SharedPlaces::At& at) {
    loop->post([weak, news, at] {
      if (const auto quota = weak.lock()) quota->hear(news, at);
    });
  };
  part_ = &shared_->join(std::move(tell));
  return *part_;
}

SharedPlaces::Wanted ClusterQuota::shared_wish(const Wanted& wanted) const {
  const bool first = wanted.at != nullptr && !by_endpoint_.contains(*wanted.at);
  return {wanted.at, wanted.limit, wanted.of_each_worker && first};
}

void ClusterQuota::count(const SocketAddress* at) {
  ++connections_;
  if (at != nullptr) ++by_endpoint_[*at];
}

bool ClusterQuota::take(const Wanted& wanted) {
  bool room = true;
  if (shared_ != nullptr) {
    (void)part();
    room = shared_->take(shared_wish(wanted));
  } else if (connections_ >= wanted.limit) {
    room = wanted.at != nullptr && !by_endpoint_.contains(*wanted.at);
  }
  if (room) count(wanted.at);
  return room;
}

bool ClusterQuota::take(PoolWaiter& waiter, const Wanted& wanted) {
  if (!std::exchange(waiter.promised, false)) {
    if (!take(wanted)) return false;
    wait_no_more(waiter);
    return true;
  }
  shared_->take_promised(part(), wanted.at);
  count(wanted.at);
  return true;
}

bool ClusterQuota::take_or_wait(PoolWaiter& waiter, const Wanted& wanted) {
  if (shared_ == nullptr || waiter.listed) return false;
  const bool room = shared_->take_or_wait(part(), shared_wish(wanted), waiter.since);
  waiter.listed = !room;
  if (room) count(wanted.at);
  return room;
}

void ClusterQuota::give_back(const SocketAddress* at) {
  --connections_;
  if (at != nullptr) {
    const auto there = by_endpoint_.find(*at);
    if (--there->second == 0) by_endpoint_.erase(there);
  }
  if (shared_ != nullptr) return shared_->give_back(at);
  (void)wake_next(at);
}

// Who waits for an endpoint without a connection has it in any case, others may be refused still.
bool ClusterQuota::wake_next(const SocketAddress* at) {
  if (at != nullptr && !by_endpoint_.contains(*at) && wake_one_at(*this, *at)) return true;
  return wake_one(*this, nullptr);
}

bool ClusterQuota::take_pending(std::uint32_t limit) {
  const bool room = shared_ != nullptr ? add_below(shared_->pending(), limit) : pending_ < limit;
  pending_ += room;
  return room;
}

void ClusterQuota::give_pending_back() {
  --pending_;
  if (shared_ != nullptr) shared_->pending().fetch_sub(1, std::memory_order_relaxed);
}

// Nobody here: then it may be idle, and others wait. Once who was woken is gone.
void ClusterQuota::pass_on(const SocketAddress& at) {
  if (wake_next(&at) || part_ == nullptr) return;
  io::Loop::current().post([weak = weak_from_this()] {
    if (const auto quota = weak.lock()) quota->yield_idle();
  });
}

void ClusterQuota::wait_no_more(PoolWaiter& waiter) {
  if (std::exchange(waiter.listed, false)) shared_->wait_no_more(part(), oldest_listed());
  if (std::exchange(waiter.promised, false)) shared_->pass_on(part());
}

bool ClusterQuota::others_wait() const {
  return shared_->should_yield(*part_, first_waiter != nullptr, io::Loop::current().now());
}

void ClusterQuota::yields() {
  shared_->yields(*part_, io::Loop::current().now());
}

io::Deadline ClusterQuota::oldest_listed() const {
  const auto* one = first_waiter;
  while (one != nullptr && !one->listed) one = one->next;
  return one != nullptr ? one->since : io::Deadline{};
}

void ClusterQuota::hear(PlaceNews news, const SharedPlaces::At& at) {
  if (news == PlaceNews::kPromised) return hear_of_promise(at);
  if (news == PlaceNews::kFree) return (void)wake_one_at(*this, *at);
  shared_->heard(part());
  yield_idle();
}

void ClusterQuota::yield_idle() {
  while (idle != nullptr && should_yield() && idle->yield_idle_of(*this)) {
  }
}

// It is for the oldest of those that wait here for a place, at that endpoint first: its last
// connection may have been there, and then they would have one beside the limit. Who was woken
// meanwhile looks anyway.
void ClusterQuota::hear_of_promise(const SharedPlaces::At& at) {
  PoolWaiter *next = nullptr, *same = nullptr;
  for (auto* one = first_waiter; one != nullptr && same == nullptr; one = one->next) {
    if (!one->listed) continue;
    if (next == nullptr) next = one;
    if (one->host.key.address == at) same = one;
  }
  if (same != nullptr) next = same;
  if (next == nullptr) return shared_->pass_on(part());
  next->listed = false;
  next->promised = true;
  if (!next->woken) next->wake();
}

}  // namespace culvert::waypoint
