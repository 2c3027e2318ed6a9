// The links of the ztunnel that serves to those of this node that drain: it tells them which pods
// are still there, since the agent talks to the serving one only. On the control loop's thread.
#pragma once

#include <functional>
#include <string>

#include "culvert/io/event.hpp"
#include "ztunnel/pods/registry.hpp"

namespace culvert::ztunnel {

class DrainingLinks {
 public:
  /// `complete`: the registry knows every pod of the node. All outlive it.
  DrainingLinks(std::string state_dir, const PodRegistry& registry, std::function<bool()> complete)
      : state_dir_(std::move(state_dir)), registry_(registry), complete_(std::move(complete)) {}

  /// Finds who drains now and talks to them until its fiber is stopped. Sockets that nobody listens
  /// on are removed.
  io::Task<> run();

 private:
  static io::Task<> tell(DrainingLinks* self, std::string path);

  std::string state_dir_;
  const PodRegistry& registry_;
  std::function<bool()> complete_;
};

}  // namespace culvert::ztunnel
