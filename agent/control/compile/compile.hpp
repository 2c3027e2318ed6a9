// From API objects to what ztunnels and waypoints subscribe to: Addresses, Authorizations, Labels
// and Istio's routing objects. Pure and deterministic: equal objects and settings give equal bytes.
// Runs on control's thread.
#pragma once

#include <span>
#include <string>

#include "control/compile/resource_set.hpp"
#include "culvert/config/object.hpp"
#include "culvert/config/parse.hpp"

namespace culvert::control {

struct CompileSettings {
  std::string trust_domain = "cluster.local";
  std::string root_namespace = "istio-system";
  std::string cluster_id = "Kubernetes";
  std::string network;
  std::string cluster_domain = "cluster.local";  // the end of service hostnames
};

struct Compiled {
  ResourceSet resources;  // always has all types, possibly without entries
  config::Conditions conditions;
};

/// Names are istiod's: workloads `CLUSTER//Pod/NS/POD`, endpoints that are no pods
/// `CLUSTER/discovery.k8s.io/EndpointSlice/NS/SLICE/IP`, services `NS/HOSTNAME`, policies
/// `NS/NAME`. Pods that have ended or have no address yet, and services of type ExternalName, give
/// nothing. `refused`: objects that are not in force and never were; hosts of a VirtualService
/// or DestinationRule among them are refused.
Compiled compile(const config::ObjectMap& objects, const CompileSettings& settings,
                 std::span<const config::RefusedObject> refused = {});

}  // namespace culvert::control
