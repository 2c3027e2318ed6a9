// UpstreamConnections: where a request gets a connection from. The seam between an exchange and the
// pool, which tests put memory behind.
#pragma once

#include <memory>

#include "waypoint/http/pool.hpp"

namespace culvert::waypoint {

class UpstreamConnections {
 public:
  virtual ~UpstreamConnections() = default;
  /// As HttpPool::open().
  virtual io::Task<Result<std::unique_ptr<ClientExchange>>> open(const UpstreamRequest& request,
                                                                 io::Deadline deadline) = 0;
  /// As HttpPool::try_open(). Some always wait.
  virtual std::unique_ptr<ClientExchange> try_open(const UpstreamRequest&) { return nullptr; }
  /// As HttpPool::retire().
  virtual void retire(const Endpoint& endpoint) = 0;
};

class PooledConnections final : public UpstreamConnections {
 public:
  explicit PooledConnections(HttpPool& pool) : pool_(pool) {}  // outlives this
  [[clang::coro_wrapper]] io::Task<Result<std::unique_ptr<ClientExchange>>> open(
      const UpstreamRequest& request, io::Deadline deadline) override {
    return pool_.open(request, deadline);
  }
  std::unique_ptr<ClientExchange> try_open(const UpstreamRequest& request) override {
    return pool_.try_open(request);
  }
  void retire(const Endpoint& endpoint) override { pool_.retire(endpoint); }

 private:
  HttpPool& pool_;
};

}  // namespace culvert::waypoint
