// The link to the node's agent (or istio-cni): connects to its ZDS socket, does what each message
// says with the pods, acknowledges, and connects again when it is lost. Pods keep running
// meanwhile. On the control loop's thread.
#pragma once

#include <map>
#include <string>

#include "culvert/io/task.hpp"
#include "culvert/zds/client.hpp"
#include "ztunnel/pods/registry.hpp"

namespace culvert::ztunnel {

class ZdsLink {
 public:
  /// `registry` outlives the link. `socket_path`: the agent's SOCK_SEQPACKET socket.
  ZdsLink(std::string socket_path, PodRegistry& registry)
      : socket_path_(std::move(socket_path)), registry_(registry) {}

  /// Runs until its fiber is stopped.
  io::Task<> run();
  /// Connected, every pod of the agent's snapshot has its listeners.
  bool ready() const { return client_.ready(); }
  /// Pods whose start failed and is tried again.
  std::size_t pending() const { return pending_netns_.size(); }

 private:
  io::Task<Result<void>> serve_once();
  io::Task<Result<void>> answer(int fd, std::span<const std::uint8_t> packet, UniqueFd netns);
  io::Task<> retry_pending();
  Result<void> start(const zds::Workload& workload, UniqueFd netns);

  std::string socket_path_;
  PodRegistry& registry_;
  zds::Client client_;
  std::map<std::string, UniqueFd> pending_netns_;  // of workloads whose start failed
};

}  // namespace culvert::ztunnel
