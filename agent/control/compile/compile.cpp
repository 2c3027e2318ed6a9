// Puts the steps in order: policies, pods, services, endpoints, bytes.
#include "control/compile/compile.hpp"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "authorization.pb.h"
#include "control/compile/mesh_objects.hpp"
#include "culvert/xds/resources.hpp"

namespace culvert::control {
namespace {

constexpr const char* kServiceNameLabel = "kubernetes.io/service-name";

/// Maps in messages have no order of their own: without this, equal content could differ.
Resource serialize(const google::protobuf::Message& message) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream out(&stream);
    out.SetSerializationDeterministic(true);
    message.SerializeToCodedStream(&out);
  }
  return make_resource(std::move(bytes));
}

/// Calls `f(key, message)` for every object of a kind.
template <class T, class F>
void for_each(const config::ObjectMap& objects, const char* kind, F f) {
  for (auto it = objects.lower_bound({kind, "", ""}); it != objects.end(); ++it) {
    if (it->first.kind != kind) break;
    f(it->first, config::message_as<T>(*it->second));
  }
}

void add_pods(const config::ObjectMap& objects, const policy::PolicySet& policies,
              const CompileSettings& settings, Draft& draft) {
  for_each<k8s::Pod>(objects, "Pod", [&](const config::ObjectKey& key, const k8s::Pod& pod) {
    if (!is_addressable(pod)) return;
    auto node = objects.find({"Node", "", pod.spec().node_name()});
    const auto* on =
        node == objects.end() ? nullptr : &config::message_as<k8s::Node>(*node->second);
    PodEntry entry;
    entry.pod = &pod;
    entry.labels = Labels(pod.metadata().labels().begin(), pod.metadata().labels().end());
    entry.workload = make_workload(pod, entry.labels, on, policies, settings);
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

void add_services(const config::ObjectMap& objects, const CompileSettings& settings, Draft& draft) {
  const auto slices = slices_by_service(objects);
  for_each<k8s::Service>(
      objects, "Service", [&](const config::ObjectKey& key, const k8s::Service& service) {
        if (service.spec().type() == "ExternalName") return;
        draft.services.emplace(key.ns + "/" + hostname_of(service, settings),
                               make_service(service, settings));
        auto it = slices.find(key.ns + "/" + key.name);
        add_endpoints(service, it == slices.end() ? decltype(it->second){} : it->second, settings,
                      draft);
      });
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

/// Kinds that are read and checked, and that nothing serves by yet. It is said: nobody may count on
/// a rule that nobody carries out.
constexpr std::array<std::string_view, 5> kNotServed = {
    "VirtualService", "DestinationRule", "ServiceEntry", "Gateway", "KubernetesGateway"};

void tell_without_effect(const config::ObjectMap& objects, config::Conditions& conditions) {
  for (const auto& [key, object] : objects) {
    if (std::ranges::find(kNotServed, key.kind) == kNotServed.end()) continue;
    conditions.push_back({key, "WaypointAccepted", false, "NotServed",
                          "read and checked, and without effect: nothing serves by it yet"});
  }
}

}  // namespace

Compiled compile(const config::ObjectMap& objects, const CompileSettings& settings) {
  Compiled out;
  const policy::PolicySet policies(objects, settings.root_namespace);
  Draft draft;
  add_pods(objects, policies, settings, draft);
  add_services(objects, settings, draft);
  out.resources[std::string(xds::kAddressType)] = to_addresses(std::move(draft));
  auto& authorizations = out.resources[std::string(xds::kAuthorizationType)];
  for (const auto& a : policies.authorizations()) {
    authorizations.emplace(a.name, serialize(*a.message));
  }
  out.conditions = policies.conditions();
  tell_without_effect(objects, out.conditions);
  return out;
}

}  // namespace culvert::control
