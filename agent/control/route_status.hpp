// What becomes of VirtualServices, DestinationRules and Istio's Gateways, as conditions: who serves
// by them, with what, or why nobody does. Owned by control's loop thread.
#pragma once

#include <map>
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
  void take_service(const std::string& name, const std::string& bytes);
  config::Condition of_virtual_service(const config::Object& object) const;
  config::Condition of_destination_rule(const config::Object& object) const;
  bool has_waypoint(const std::string& host) const;
  /// "SUBSET of HOST" that a VirtualService's rules name at edges, of services behind a waypoint.
  std::vector<std::string> refused_subsets(const config::Object& object) const;
  /// Whether somebody serves `host` at `gateway` ("mesh" or "NAMESPACE/NAME").
  bool is_served(const std::string& gateway, const std::string& host) const;

  const std::string domain_;
  l7::Compiler compiler_;
  ResourceSet known_;
  std::map<std::string, std::map<std::string, bool>> services_;  // host -> key -> has a waypoint
  std::map<std::string, std::string> edges_;  // Istio's Gateways: the pods that serve them
};

}  // namespace culvert::control
