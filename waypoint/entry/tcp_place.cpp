#include "waypoint/entry/tcp_place.hpp"

#include <algorithm>

namespace culvert::waypoint {
namespace {

io::Deadline now() {
  return io::Loop::current().now();
}

}  // namespace

TcpPlace::~TcpPlace() {
  if (live_ != nullptr) io::Loop::current().timers().remove(*this);
  if (quota_ != nullptr) quota_->give_back(nullptr);
}

bool TcpPlace::take(ClusterStatePtr cluster, HostPtr host) {
  auto& quota = cluster->quota();
  if (!quota->take({.limit = cluster->policy().pool.max_connections})) return false;
  quota_ = quota;
  lease_.emplace(cluster, std::move(host));
  cluster_ = std::move(cluster);
  return true;
}

void TcpPlace::tell_reached(bool reached) {
  if (!lease_) return;
  const auto at = std::chrono::duration_cast<l7::Time>(now().time_since_epoch());
  constexpr std::uint16_t kAsGoodAs = 200;
  lease_->record({!reached, reached ? kAsGoodAs : std::uint16_t{0}}, at);
}

void TcpPlace::watch(proxy::LiveConnections& table, proxy::LiveConnection& live) {
  if (!cluster_) return;
  const auto& pool = cluster_->policy().pool;
  idle_ = pool.tcp_idle_timeout;
  if (pool.max_connection_duration) over_at_ = now() + *pool.max_connection_duration;
  if (idle_.count() == 0 && over_at_ == io::kNoDeadline) return;
  table_ = &table;
  live_ = &live;
  moved_at_ = now();
  look_again();
}

void TcpPlace::look_again() {
  io::Deadline next = over_at_;
  if (idle_.count() != 0) {
    const auto step = std::max(idle_ / kLooksAtTcp, std::chrono::milliseconds(1));
    next = std::min({next, moved_at_ + idle_, now() + step});
  }
  io::Loop::current().timers().add(*this, next);
}

void TcpPlace::expired() {
  const auto bytes = live_->bytes.forward_bytes + live_->bytes.backward_bytes;
  if (std::exchange(seen_bytes_, bytes) != bytes) moved_at_ = now();
  if (now() >= over_at_) {
    table_->cut(*live_, proxy::Cut::kDuration);
  } else if (idle_.count() != 0 && now() >= moved_at_ + idle_) {
    table_->cut(*live_, proxy::Cut::kIdle);
  } else {
    look_again();
  }
}

}  // namespace culvert::waypoint
