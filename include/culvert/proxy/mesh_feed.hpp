// From xDS resources to the snapshot that workers decide by. On the control loop's thread.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "culvert/mesh/snapshot.hpp"
#include "culvert/proxy/feed.hpp"

namespace culvert::proxy {

class MeshFeed final : public Feed {
 public:
  using Publish = std::function<void(const mesh::SnapshotPtr&)>;

  MeshFeed(std::string trust_domain, Publish publish)
      : trust_domain_(std::move(trust_domain)), publish_(std::move(publish)) {}

  /// Applies what can be read and publishes the next snapshot once, if it is open; names what
  /// cannot, whose last good state stays.
  std::vector<xds::Rejected> apply(std::string_view type_url, std::vector<xds::AddedResource> added,
                                   std::vector<std::string> removed) override;

  void open() override;
  bool is_open() const override { return open_; }

  const mesh::SnapshotPtr& snapshot() const { return snapshot_; }

 private:
  std::string trust_domain_;
  Publish publish_;
  bool open_ = false;
  mesh::SnapshotPtr snapshot_ = std::make_shared<const mesh::Snapshot>();
};

}  // namespace culvert::proxy
