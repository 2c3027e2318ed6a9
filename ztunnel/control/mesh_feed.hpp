// From xDS resources to the snapshot that workers decide by. On the control loop's thread.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "culvert/mesh/snapshot.hpp"
#include "culvert/xds/subscriber.hpp"

namespace culvert::ztunnel {

class MeshFeed final : public xds::ResourceSink {
 public:
  using Publish = std::function<void(const mesh::SnapshotPtr&)>;

  MeshFeed(std::string trust_domain, Publish publish)
      : trust_domain_(std::move(trust_domain)), publish_(std::move(publish)) {}

  /// Applies what can be read and publishes the next snapshot once, if it is open; names what
  /// cannot, whose last good state stays.
  std::vector<xds::Rejected> apply(std::string_view type_url, std::vector<xds::AddedResource> added,
                                   std::vector<std::string> removed) override;

  /// From now on snapshots are published, the present one at once. Before, nobody is told:
  /// workloads without their policies would let everybody in.
  void open();
  bool is_open() const { return open_; }

  const mesh::SnapshotPtr& snapshot() const { return snapshot_; }

 private:
  std::string trust_domain_;
  Publish publish_;
  bool open_ = false;
  mesh::SnapshotPtr snapshot_ = std::make_shared<const mesh::Snapshot>();
};

}  // namespace culvert::ztunnel
