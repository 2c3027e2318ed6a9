// What HttpPool keeps: its connections by whom they may serve. Part of pool.cpp; loop thread.
#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "culvert/base/ip.hpp"
#include "culvert/mesh/identity.hpp"
#include "waypoint/http/client.hpp"
#include "waypoint/http/pool.hpp"

namespace culvert::waypoint {

/// Who may use a connection: requests of one cluster to the same place in the same way for the same
/// client. Two clusters that share an endpoint, as a service and its subset, have bounds each.
struct PoolKeyView {
  const ClusterQuota* cluster;  // of a request; afterwards held by each connection and waiter
  std::string_view uid;         // of the workload; "" for a static endpoint
  SocketAddress address;
  HttpVersion version;
  /// Null at an edge: nobody is told who asks, so that all may share.
  const mesh::Identity* identity;
  IpAddress client;  // with an identity

  static PoolKeyView of(const UpstreamRequest& request);
};
struct PoolKey {
  explicit PoolKey(const PoolKeyView& view);
  PoolKeyView view() const;

  const ClusterQuota* cluster;
  std::string uid;
  SocketAddress address;
  HttpVersion version;
  std::optional<mesh::Identity> identity;
  IpAddress client;
};
struct PoolKeyHash {
  using is_transparent = void;
  std::size_t operator()(const PoolKeyView& key) const;
  std::size_t operator()(const PoolKey& key) const { return (*this)(key.view()); }
};
struct PoolKeyEqual {
  using is_transparent = void;
  static PoolKeyView view(const PoolKeyView& key) { return key; }
  static PoolKeyView view(const PoolKey& key) { return key.view(); }
  template <class A, class B>
  bool operator()(const A& a, const B& b) const {
    return same(view(a), view(b));
  }
  static bool same(const PoolKeyView& a, const PoolKeyView& b);
};

struct PooledConnection;

/// The connections of one key.
struct PoolHost {
  explicit PoolHost(const PoolKeyView& of) : key(of) {}
  bool unused() const { return connections.empty() && opening == 0 && waiting == 0; }

  PoolKey key;
  std::vector<PooledConnection*> connections;
  std::vector<PooledConnection*> idle;  // latest last
  std::size_t opening = 0;
  std::size_t waiting = 0;  // requests
};

/// Its place in the lists that hold it. The pool's.
struct PooledConnection {
  PoolHost* host = nullptr;
  std::shared_ptr<ClusterQuota> quota;
  std::unique_ptr<ClientConnection> connection;
  std::optional<std::list<PooledConnection*>::iterator> idle_place;  // among all of the pool
  bool counted = true;                                               // in the quota
  bool run_ended = false;
  bool pinned = false;  // somebody waits in it
};

}  // namespace culvert::waypoint
