// The links of the ztunnel that serves to those of this node that drain: it tells them which pods
// are still there, since the agent talks to the serving one only, and asks them what they counted,
// since Prometheus does. On the control loop's thread.
#pragma once

#include <functional>
#include <list>
#include <string>

#include "culvert/io/event.hpp"
#include "ztunnel/handover/counts.hpp"
#include "ztunnel/pods/registry.hpp"

namespace culvert::ztunnel {

class DrainingLinks {
 public:
  /// `complete`: the registry knows every pod of the node. What is counted elsewhere is added to
  /// `metrics` and `trust`. All outlive it.
  DrainingLinks(std::string state_dir, const PodRegistry& registry, std::function<bool()> complete,
                telemetry::TrafficMetrics& metrics, proxy::TrustCounters& trust)
      : state_dir_(std::move(state_dir)),
        registry_(registry),
        complete_(std::move(complete)),
        metrics_(metrics),
        trust_(trust) {}

  /// Finds who drains now and talks to them until its fiber is stopped. Sockets that nobody listens
  /// on are removed.
  io::Task<> run();
  /// What they had open when they told last, and how many they are.
  OpenNow open() const;
  std::size_t count() const { return links_.size(); }

 private:
  struct Link;
  static io::Task<> keep(DrainingLinks* self, std::string path);
  io::Task<bool> tell_pods(Link& link) const;

  std::string state_dir_;
  const PodRegistry& registry_;
  std::function<bool()> complete_;
  telemetry::TrafficMetrics& metrics_;
  proxy::TrustCounters& trust_;
  std::list<Link*> links_;  // in their fibers' frames
};

}  // namespace culvert::ztunnel
