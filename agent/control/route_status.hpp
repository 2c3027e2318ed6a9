// What becomes of VirtualServices, DestinationRules and Istio's Gateways, as conditions: who serves
// by them, with what, or why nobody does. Owned by control's loop thread.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "control/compile/compile.hpp"
#include "culvert/l7/compiler.hpp"

namespace culvert::control {

class RouteStatus {
 public:
  explicit RouteStatus(const CompileSettings& settings);

  /// The conditions of `objects`, which `resources` were compiled from. Compiles again what differs
  /// from the last call.
  config::Conditions update(const config::ObjectMap& objects, const ResourceSet& resources);

 private:
  void take(const ResourceSet& resources);
  void take_address(const std::string& name, const std::string& bytes);
  void forget_address(const std::string& name);
  config::Condition of_virtual_service(const config::Object& object) const;
  config::Condition of_destination_rule(const config::Object& object) const;
  /// Of the services that have the host.
  std::set<std::string> waypoints_of(const std::string& host) const;
  /// That ask the rules of mesh for these hosts: those of the services and of their pods.
  std::set<std::string> waypoints_that_ask(const std::set<std::string>& hosts) const;
  /// The fields by which a VirtualService names a subset of a service whose waypoint chooses them,
  /// where that is not who asks the rule: at edges and at other waypoints. In words.
  std::vector<std::string> refused_subsets(const config::Object& object) const;
  /// Whether somebody serves `host` at `gateway` ("mesh" or "NAMESPACE/NAME").
  bool is_served(const std::string& gateway, const std::string& host) const;

  const std::string domain_;
  l7::Compiler compiler_;
  ResourceSet known_;
  /// host -> key -> the name of the waypoint; empty: none
  std::map<std::string, std::map<std::string, std::string>> services_;
  /// Pods with a waypoint of their own: by service "NAMESPACE/HOST" and uid, its name.
  std::map<std::string, std::map<std::string, std::string>> pods_;
  std::map<std::string, std::vector<std::string>> services_of_pods_;  // by uid: the keys of pods_
  std::map<std::string, std::string> edges_;  // Istio's Gateways: the pods that serve them
};

}  // namespace culvert::control
