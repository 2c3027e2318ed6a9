// culvert-control as ztunnels know it: delta xDS and certificates on a Unix socket a node. It can
// be killed, and started again with what it serves.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "culvert/certs/certificate_authority.hpp"
#include "culvert/grpc/server.hpp"
#include "culvert/xds/resource_set.hpp"
#include "culvert/xds/server.hpp"
#include "loop_thread.hpp"

namespace culvert::sim {

class SimControl {
 public:
  /// `lifetime` of the certificates that it signs. Both outlive it.
  SimControl(Network& network, const certs::CertificateAuthority& authority,
             std::chrono::seconds lifetime);
  /// After bury().
  ~SimControl();

  /// A node's socket, by this path.
  void add_node(const std::string& name, const std::string& path);
  void start();
  /// As by SIGKILL: its connections are reset, and nobody listens until the next start().
  void kill();
  bool running() const { return running_ != nullptr; }
  /// From now on, and after every start.
  void serve(xds::ResourceSetPtr resources);
  /// Ends in order.
  void stop();
  /// After stop() and a run of the scheduler until all have left.
  void bury();

  /// Every connection attempt of this node, answered or not.
  std::size_t attempts(const std::string& name) const { return attempts_.at(name); }
  /// What it knows of the node in this life.
  xds::NodeStatus status(const std::string& name) const;

 private:
  struct Life;
  void take(const std::string& node, const SocketPtr& accepted);

  Network& network_;
  const certs::CertificateAuthority& authority_;
  const std::chrono::seconds lifetime_;
  const int netns_;
  std::map<std::string, std::uint16_t> ports_;  // by node
  std::map<std::string, std::size_t> attempts_;
  xds::ResourceSetPtr resources_;
  Life* running_ = nullptr;
  std::vector<std::unique_ptr<Life>> lives_;  // the dead ones too, until the scheduler is done
};

}  // namespace culvert::sim
