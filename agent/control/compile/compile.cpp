// Puts the steps in order: policies, waypoints, pods, services, endpoints, bytes.
#include "control/compile/compile.hpp"

#include <google/protobuf/message.h>

#include <algorithm>
#include <string_view>

#include "authorization.pb.h"
#include "control/compile/mesh_objects.hpp"
#include "control/compile/recompile.hpp"
#include "culvert/l7/wire_object.hpp"
#include "culvert/xds/resources.hpp"
#include "culvert_labels.pb.h"
#include "istio_objects.pb.h"

namespace culvert::control {
namespace {

constexpr const char* kServiceNameLabel = "kubernetes.io/service-name";

Resource serialize(const google::protobuf::Message& message) {
  return make_resource(l7::deterministic_bytes(message));
}

/// Calls `f(key, message)` for every object of a kind.
template <class T, class F>
void for_each(const config::ObjectMap& objects, const char* kind, F f) {
  for (auto it = objects.lower_bound({kind, "", ""}); it != objects.end(); ++it) {
    if (it->first.kind != kind) break;
    f(it->first, config::message_as<T>(*it->second));
  }
}

/// A pod on the host's network has no address of its own that a waypoint could stand before.
void set_waypoint(const config::ObjectKey& key, const Waypoints& waypoints, PodEntry& entry,
                  config::Conditions& conditions) {
  if (entry.pod->spec().host_network()) return;
  if (waypoints.is_part_of_waypoint(key.ns, entry.labels)) {
    entry.workload.set_tunnel_protocol(istio::workload::HBONE);  // its own, not a ztunnel's
  }
  const auto choice = waypoints.for_workload(key.ns, entry.labels);
  if (choice.address) *entry.workload.mutable_waypoint() = *choice.address;
  if (!choice.own_label) return;  // its namespace's says it for all
  if (auto condition = waypoint_condition(key, choice)) conditions.push_back(std::move(*condition));
}

void add_pods(const config::ObjectMap& objects, const policy::PolicySet& policies,
              const Waypoints& waypoints, const CompileSettings& settings, Draft& draft) {
  for_each<k8s::Pod>(objects, "Pod", [&](const config::ObjectKey& key, const k8s::Pod& pod) {
    if (!is_addressable(pod)) return;
    auto node = objects.find({"Node", "", pod.spec().node_name()});
    const auto* on =
        node == objects.end() ? nullptr : &config::message_as<k8s::Node>(*node->second);
    PodEntry entry;
    entry.pod = &pod;
    entry.labels = Labels(pod.metadata().labels().begin(), pod.metadata().labels().end());
    entry.workload = make_workload(pod, entry.labels, on, policies, settings);
    set_waypoint(key, waypoints, entry, draft.conditions);
    draft.pods.emplace(key.ns + "/" + key.name, std::move(entry));
  });
}

/// By "NS/SERVICE".
std::map<std::string, std::vector<const k8s::EndpointSlice*>> slices_by_service(
    const config::ObjectMap& objects) {
  std::map<std::string, std::vector<const k8s::EndpointSlice*>> out;
  for_each<k8s::EndpointSlice>(objects, "EndpointSlice",
                               [&](const config::ObjectKey& key, const k8s::EndpointSlice& slice) {
                                 const auto& labels = slice.metadata().labels();
                                 auto it = labels.find(kServiceNameLabel);
                                 if (it != labels.end())
                                   out[key.ns + "/" + it->second].push_back(&slice);
                               });
  return out;
}

void set_waypoint(const config::ObjectKey& key, const k8s::Service& object,
                  const Waypoints& waypoints, istio::workload::Service& service,
                  config::Conditions& conditions) {
  if (waypoints.is_waypoint(key.ns, key.name)) return;
  const Labels labels(object.metadata().labels().begin(), object.metadata().labels().end());
  const auto choice = waypoints.for_service(key.ns, labels);
  if (choice.address) *service.mutable_waypoint() = *choice.address;
  service.set_ingress_use_waypoint(waypoints.uses_waypoint_from_ingress(key.ns, labels));
  if (auto condition = waypoint_condition(key, choice)) conditions.push_back(std::move(*condition));
}

void add_services(const config::ObjectMap& objects, const Waypoints& waypoints,
                  const CompileSettings& settings, Draft& draft) {
  const auto slices = slices_by_service(objects);
  for_each<k8s::Service>(
      objects, "Service", [&](const config::ObjectKey& key, const k8s::Service& service) {
        if (service.spec().type() == "ExternalName") return;
        auto made = make_service(service, settings);
        set_waypoint(key, service, waypoints, made, draft.conditions);
        draft.services.emplace(key.ns + "/" + hostname_of(service, settings), std::move(made));
        auto it = slices.find(key.ns + "/" + key.name);
        add_endpoints(service, it == slices.end() ? decltype(it->second){} : it->second, settings,
                      draft);
      });
}

void add_service_entries(const config::ObjectMap& objects, const Waypoints& waypoints,
                         const CompileSettings& settings, Draft& draft) {
  for (const auto& [name, service] : draft.services) {
    for (const auto& own : service.addresses()) {
      draft.address_owners.emplace(own.address(), service.namespace_());
    }
  }
  for (const auto& [name, entry] : draft.pods) {
    if (entry.workload.network_mode() == istio::workload::HOST_NETWORK) continue;
    for (const auto& own : entry.workload.addresses()) {
      draft.address_owners.emplace(own, entry.workload.namespace_());
    }
  }
  // Older ones first, so that a new one changes nothing for those that stand.
  std::set<std::uint32_t> taken;
  std::vector<std::pair<const config::ObjectKey*, const api::istio::ServiceEntry*>> entries;
  for_each<api::istio::ServiceEntry>(
      objects, "ServiceEntry",
      [&](const config::ObjectKey& key, const api::istio::ServiceEntry& entry) {
        entries.emplace_back(&key, &entry);
        note_addresses(entry, taken);
      });
  std::ranges::sort(entries, {}, [](const auto& one) {
    return std::pair(one.second->metadata().creation_timestamp().seconds(), *one.first);
  });
  for (const auto& [key, entry] : entries) {
    add_service_entry(*key, *entry, waypoints, settings, taken, draft);
  }
}

/// By uid; of workloads that have any.
Resources to_labels(const Draft& draft) {
  Resources out;
  const auto add = [&](const std::string& uid, const Labels& labels) {
    if (labels.empty()) return;
    culvert::workload::v1::Labels message;
    message.set_uid(uid);
    message.mutable_labels()->insert(labels.begin(), labels.end());
    out.emplace(uid, serialize(message));
  };
  for (const auto& [name, entry] : draft.pods) add(entry.workload.uid(), entry.labels);
  for (const auto& [uid, labels] : draft.labels) add(uid, labels);
  return out;
}

Resources to_addresses(Draft draft) {
  Resources out;
  const auto add_workload = [&](istio::workload::Workload& workload) {
    istio::workload::Address address;
    address.mutable_workload()->Swap(&workload);
    out.emplace(address.workload().uid(), serialize(address));
  };
  for (auto& [name, entry] : draft.pods) add_workload(entry.workload);
  for (auto& [uid, workload] : draft.others) add_workload(workload);
  for (auto& [name, service] : draft.services) {
    istio::workload::Address address;
    address.mutable_service()->Swap(&service);
    out.emplace(name, serialize(address));
  }
  return out;
}

}  // namespace

Compiled compile_mesh(const config::ObjectMap& objects, const CompileSettings& settings) {
  Compiled out;
  const policy::PolicySet policies(objects, settings.root_namespace);
  const Waypoints waypoints(objects, settings.cluster_domain);
  Draft draft;
  add_pods(objects, policies, waypoints, settings, draft);
  add_services(objects, waypoints, settings, draft);
  add_service_entries(objects, waypoints, settings, draft);
  out.conditions = policies.conditions();
  std::ranges::move(draft.conditions, std::back_inserter(out.conditions));
  waypoints.add_conditions(out.conditions);
  out.resources[std::string(xds::kLabelsType)] = to_labels(draft);
  out.resources[std::string(xds::kAddressType)] = to_addresses(std::move(draft));
  auto& authorizations = out.resources[std::string(xds::kAuthorizationType)];
  for (const auto& a : policies.authorizations()) {
    authorizations.emplace(a.name, serialize(*a.message));
  }
  return out;
}

Compiled compile(const config::ObjectMap& objects, const CompileSettings& settings,
                 std::span<const config::RefusedObject> refused) {
  return Recompiler(settings).compile(objects, refused, {});
}

}  // namespace culvert::control
