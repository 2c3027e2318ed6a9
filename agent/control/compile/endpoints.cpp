// Who is behind a service: by EndpointSlice when there is one, else by selector.
#include <optional>

#include "control/compile/mesh_objects.hpp"
#include "culvert/base/ip.hpp"

namespace culvert::control {
namespace {

namespace wire = istio::workload;

bool is_tcp(const std::string& protocol) {
  return protocol.empty() || protocol == "TCP";
}

/// The number of a container port by its name.
std::optional<std::uint32_t> container_port(const k8s::Pod& pod, const std::string& name) {
  for (const auto* containers : {&pod.spec().containers(), &pod.spec().init_containers()}) {
    for (const auto& container : *containers) {
      for (const auto& port : container.ports()) {
        if (port.name() == name && is_tcp(port.protocol())) {
          return static_cast<std::uint32_t>(port.container_port());
        }
      }
    }
  }
  return std::nullopt;
}

std::optional<std::uint32_t> target_on(const k8s::Pod& pod, const k8s::ServicePort& port) {
  if (!port.has_target_port()) return static_cast<std::uint32_t>(port.port());
  if (!port.target_port().text().empty()) return container_port(pod, port.target_port().text());
  return static_cast<std::uint32_t>(port.target_port().number());
}

void add_port(wire::PortList& list, const k8s::ServicePort& port, std::uint32_t target) {
  auto* to = list.add_ports();
  to->set_service_port(static_cast<std::uint32_t>(port.port()));
  to->set_target_port(target);
}

void add_by_selector(const k8s::Service& service, const std::string& ns, const std::string& key,
                     Draft& draft) {
  const Labels selector(service.spec().selector().begin(), service.spec().selector().end());
  if (selector.empty()) return;
  for (auto it = draft.pods.lower_bound(ns + "/"); it != draft.pods.end(); ++it) {
    auto& [name, entry] = *it;
    if (!name.starts_with(ns + "/")) break;
    const bool selected = std::ranges::all_of(selector, [&](const auto& wanted) {
      auto label = entry.labels.find(wanted.first);
      return label != entry.labels.end() && label->second == wanted.second;
    });
    if (!selected) continue;
    auto& list = (*entry.workload.mutable_services())[key];
    for (const auto& port : service.spec().ports()) {
      const auto target = is_tcp(port.protocol()) ? target_on(*entry.pod, port) : std::nullopt;
      if (target) add_port(list, port, *target);
    }
  }
}

/// The pod's workload, or one of its own for an address that is no pod's.
wire::Workload& workload_of(const k8s::EndpointSlice& slice, const k8s::SliceEndpoint& endpoint,
                            const std::string& ns, const IpAddress& ip,
                            const CompileSettings& settings, Draft& draft) {
  if (endpoint.target_ref().kind() == "Pod") {
    auto it = draft.pods.find(ns + "/" + endpoint.target_ref().name());
    if (it != draft.pods.end()) return it->second.workload;
  }
  const auto bytes = ip.to_wire_bytes();
  for (auto it = draft.pods.lower_bound(ns + "/"); it != draft.pods.end(); ++it) {
    if (!it->first.starts_with(ns + "/")) break;
    for (const auto& address : it->second.workload.addresses()) {
      if (address == bytes) return it->second.workload;
    }
  }
  const auto uid = settings.cluster_id + "/discovery.k8s.io/EndpointSlice/" + ns + "/" +
                   slice.metadata().name() + "/" + ip.to_string();
  auto& workload = draft.others[uid];
  if (!workload.uid().empty()) return workload;
  workload.set_uid(uid);
  workload.set_name(slice.metadata().name());
  workload.set_namespace_(ns);
  workload.add_addresses(bytes);
  workload.set_network(settings.network);
  workload.set_trust_domain(settings.trust_domain);
  workload.set_service_account("default");
  workload.set_workload_type(wire::POD);
  workload.set_workload_name(slice.metadata().name());
  workload.set_cluster_id(settings.cluster_id);
  return workload;
}

/// Slice and service agree on a port by its name.
void add_slice_ports(const k8s::EndpointSlice& slice, const k8s::Service& service,
                     wire::PortList& list) {
  if (list.ports_size() > 0) return;  // the pod's other address was here already
  for (const auto& port : service.spec().ports()) {
    for (const auto& sliced : slice.ports()) {
      if (sliced.name() == port.name() && is_tcp(sliced.protocol()) && is_tcp(port.protocol()) &&
          sliced.port() > 0) {
        add_port(list, port, static_cast<std::uint32_t>(sliced.port()));
      }
    }
  }
}

void add_by_slice(const k8s::EndpointSlice& slice, const k8s::Service& service,
                  const std::string& ns, const std::string& key, const CompileSettings& settings,
                  Draft& draft) {
  for (const auto& endpoint : slice.endpoints()) {
    const bool ready = !endpoint.conditions().has_ready() || endpoint.conditions().ready();
    if (!ready && !service.spec().publish_not_ready_addresses()) continue;
    for (const auto& address : endpoint.addresses()) {
      const auto ip = IpAddress::parse(address);
      if (!ip) continue;  // a name (FQDN)
      auto& workload = workload_of(slice, endpoint, ns, *ip, settings, draft);
      add_slice_ports(slice, service, (*workload.mutable_services())[key]);
    }
  }
}

}  // namespace

void add_endpoints(const k8s::Service& service,
                   const std::vector<const k8s::EndpointSlice*>& slices,
                   const CompileSettings& settings, Draft& draft) {
  const auto& m = service.metadata();
  const auto ns = m.namespace_().empty() ? "default" : m.namespace_();
  const auto key = ns + "/" + hostname_of(service, settings);
  if (slices.empty()) return add_by_selector(service, ns, key, draft);
  for (const auto* slice : slices) add_by_slice(*slice, service, ns, key, settings, draft);
}

}  // namespace culvert::control
