// The control loop of a simulated node's ztunnel: the link to control and the certificates, as they
// are, with their snapshots and credentials going to whoever asks.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "culvert/proxy/certificates.hpp"
#include "culvert/proxy/control_link.hpp"
#include "culvert/proxy/mesh_feed.hpp"
#include "loop_thread.hpp"
#include "ztunnel/control/link_options.hpp"
#include "ztunnel/settings.hpp"

namespace culvert::sim {

class LinkedNode {
 public:
  /// `take` gets each snapshot, on the node's thread.
  LinkedNode(Network& network, int netns, std::string name, std::string control_socket,
             std::vector<std::string> identities, std::function<void(const mesh::Snapshot&)> take);
  LinkedNode(const LinkedNode&) = delete;
  LinkedNode& operator=(const LinkedNode&) = delete;
  ~LinkedNode() = default;

  void stop();

  const std::string& name() const { return settings_.node; }
  /// Between the scheduler's steps.
  bool ready() const { return link_ && link_->ready(); }
  const mesh::Snapshot& snapshot() const { return *feed_->snapshot(); }
  xds::ClientStatus status() const { return link_->status(); }
  std::vector<proxy::Certificates::Status> certificates() const {
    return certificates_ ? certificates_->status() : std::vector<proxy::Certificates::Status>();
  }
  /// Times of the certificates that came, by identity.
  const std::map<std::string, std::vector<Time>>& renewals() const { return renewals_; }

 private:
  io::Task<> main();

  Network& network_;
  const std::vector<std::string> identities_;
  const std::function<void(const mesh::Snapshot&)> take_;
  ztunnel::Settings settings_;
  std::map<std::string, std::vector<Time>> renewals_;
  io::Event stopping_;
  bool stop_asked_ = false;
  std::optional<proxy::MeshFeed> feed_;
  std::optional<proxy::ControlLink> link_;
  std::optional<proxy::Certificates> certificates_;
  LoopThread thread_;  // last: it uses the others
};

}  // namespace culvert::sim
