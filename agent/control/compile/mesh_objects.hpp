// The steps of compile(). Private to this folder.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "control/compile/compile.hpp"
#include "culvert/policy/policy_set.hpp"
#include "kubernetes.pb.h"
#include "workload.pb.h"

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
};

bool is_addressable(const k8s::Pod& pod);
std::string hostname_of(const k8s::Service& service, const CompileSettings& settings);

/// All of a Workload but its services.
istio::workload::Workload make_workload(const k8s::Pod& pod, const Labels& labels,
                                        const k8s::Node* node, const policy::PolicySet& policies,
                                        const CompileSettings& settings);

istio::workload::Service make_service(const k8s::Service& service, const CompileSettings& settings);

/// Puts the endpoints of `service` into the workloads of `draft`: by `slices` when there are any,
/// else by the service's selector.
void add_endpoints(const k8s::Service& service,
                   const std::vector<const k8s::EndpointSlice*>& slices,
                   const CompileSettings& settings, Draft& draft);

}  // namespace culvert::control
