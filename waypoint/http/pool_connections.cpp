#include "waypoint/http/pool_connections.hpp"

#include <functional>

#include "culvert/io/loop.hpp"
#include "waypoint/http/pool_waiter.hpp"

namespace culvert::waypoint {

PoolKeyView PoolKeyView::of(const UpstreamRequest& request) {
  const auto& client = request.client;
  const bool told = client.identity.has_value();
  return {request.quota.get(),
          request.to.workload != nullptr ? std::string_view(request.to.workload->uid) : "",
          request.to.address,
          request.version,
          told ? &*client.identity : nullptr,
          told ? client.address.ip : IpAddress{}};
}

PoolKey::PoolKey(const PoolKeyView& view)
    : cluster(view.cluster),
      uid(view.uid),
      address(view.address),
      version(view.version),
      client(view.client) {
  if (view.identity != nullptr) identity = *view.identity;
}

PoolKeyView PoolKey::view() const {
  return {cluster, uid, address, version, identity ? &*identity : nullptr, client};
}

// Keys that differ in their texts alone are rare: one address for two pods, one client address for
// two identities.
std::size_t PoolKeyHash::operator()(const PoolKeyView& key) const {
  std::size_t hash = SocketAddressHash{}(key.address) * 31 + IpAddressHash{}(key.client);
  hash = hash * 31 + std::hash<const ClusterQuota*>{}(key.cluster);
  return hash * 31 + static_cast<std::size_t>(key.version);
}

bool PoolKeyEqual::same(const PoolKeyView& a, const PoolKeyView& b) {
  if (a.cluster != b.cluster || a.address != b.address) return false;
  if (a.version != b.version || a.uid != b.uid) return false;
  if ((a.identity == nullptr) != (b.identity == nullptr) || a.client != b.client) return false;
  return a.identity == nullptr || *a.identity == *b.identity;
}

PoolWaiter::PoolWaiter(PoolHost& of, ClusterQuota& cluster)
    : host(of), quota(cluster), since(io::Loop::current().now()) {
  ++host.waiting;
  previous = quota.last_waiter;
  (previous != nullptr ? previous->next : quota.first_waiter) = this;
  quota.last_waiter = this;
}

PoolWaiter::~PoolWaiter() {
  --host.waiting;
  quota.give_pending_back();
  quota.wait_no_more(*this);
  (previous != nullptr ? previous->next : quota.first_waiter) = next;
  (next != nullptr ? next->previous : quota.last_waiter) = previous;
}

void PoolWaiter::wake() {
  woken = true;
  event.notify();
}

namespace {

template <class Fits>
bool wake_first(const ClusterQuota& quota, Fits fits) {
  for (PoolWaiter* waiter = quota.first_waiter; waiter != nullptr; waiter = waiter->next) {
    if (waiter->woken || !fits(*waiter)) continue;
    waiter->wake();
    return true;
  }
  return false;
}

}  // namespace

bool wake_one(const ClusterQuota& quota, const PoolHost* host) {
  return wake_first(quota, [host](const PoolWaiter& one) { return !host || &one.host == host; });
}

bool wake_one_at(const ClusterQuota& quota, const SocketAddress& at) {
  return wake_first(quota, [&](const PoolWaiter& one) { return one.host.key.address == at; });
}

}  // namespace culvert::waypoint
