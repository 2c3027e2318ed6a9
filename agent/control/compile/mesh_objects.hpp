// The steps of compile(). Private to this folder.
#pragma once

#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "control/compile/compile.hpp"
#include "control/compile/recompile.hpp"
#include "control/compile/waypoints.hpp"
#include "culvert/policy/policy_set.hpp"
#include "kubernetes.pb.h"
#include "workload.pb.h"

namespace culvert::api::istio {
class ServiceEntry;
}

namespace culvert::control {

namespace k8s = api::k8s;
using policy::Labels;

/// A pod that can be addressed, and the Workload that is being made of it.
struct PodEntry {
  const k8s::Pod* pod = nullptr;
  Labels labels;
  istio::workload::Workload workload;
};

/// Everything between reading objects and serializing.
struct Draft {
  std::map<std::string, PodEntry> pods;                      // by "NS/NAME"
  std::map<std::string, istio::workload::Workload> others;   // by uid: endpoints without a pod
  std::map<std::string, istio::workload::Service> services;  // by "NS/HOSTNAME"
  std::map<std::string, Labels> labels;                      // of `others`, by uid
  std::map<std::string, std::string> address_owners;  // of Services and pods: namespace by address
  config::Conditions conditions;
};

bool is_addressable(const k8s::Pod& pod);
std::string hostname_of(const k8s::Service& service, const CompileSettings& settings);

/// All of a Workload but its services.
istio::workload::Workload make_workload(const k8s::Pod& pod, const Labels& labels,
                                        const k8s::Node* node, const policy::PolicySet& policies,
                                        const CompileSettings& settings);

/// By the port's name up to its first '-' (Istio's convention).
istio::workload::AppProtocol app_protocol_of_name(std::string_view port_name);
/// Of the addresses that the service has.
istio::workload::IPFamilies ip_families(const istio::workload::Service& service);

istio::workload::Service make_service(const k8s::Service& service, const CompileSettings& settings);

/// Puts the endpoints of `service` into the workloads of `draft`: by `slices` when there are any,
/// else by the service's selector.
void add_endpoints(const k8s::Service& service,
                   const std::vector<const k8s::EndpointSlice*>& slices,
                   const CompileSettings& settings, Draft& draft);

/// Puts what an object itself names of the range of automatic addresses into `taken`; for all of
/// them, before the first gets one.
void note_addresses(const api::istio::ServiceEntry& object, std::set<std::uint32_t>& taken);
/// A service for each of its hosts, and its endpoints. `taken`: the automatic addresses that are
/// in use; one ServiceEntry after the other, older first.
void add_service_entry(const config::ObjectKey& key, const api::istio::ServiceEntry& object,
                       const Waypoints& waypoints, const CompileSettings& settings,
                       std::set<std::uint32_t>& taken, Draft& draft);

/// VirtualServices, DestinationRules, Gateways and ServiceEntries for waypoints. A VirtualService
/// that is refused and never was good stands there with its hosts and no route, a DestinationRule
/// with its host and marked, so that they are refused, not defaulted.
void add_routing_objects(const config::ObjectMap& objects,
                         std::span<const config::RefusedObject> refused, EncodedObjects& encoded,
                         ResourceSet& out);

/// All but the routing objects.
Compiled compile_mesh(const config::ObjectMap& objects, const CompileSettings& settings);

}  // namespace culvert::control
