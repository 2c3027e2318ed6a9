// A ServiceEntry as Services, one a host, and its endpoints as workloads. An endpoint with the
// address of a pod is that pod, with its identity and tunnel.
#include <fmt/format.h>

#include <set>

#include "control/compile/mesh_objects.hpp"
#include "culvert/base/ip.hpp"
#include "istio_objects.pb.h"

namespace culvert::control {
namespace {

namespace wire = istio::workload;
namespace v1 = ::istio::networking::v1alpha3;

// Where hosts without an address of their own get one, as with Istio: 240.240.0.0/16 (reserved by
// RFC 1112, so nobody's) and 2001:2::/48 (benchmarking, RFC 5180).
constexpr std::uint32_t kAutomaticAddresses = 65'534;
constexpr std::string_view kAutomaticPrefix4 = "240.240.0.0/16";
constexpr std::string_view kAutomaticPrefix6 = "2001:2::f0f0:0/112";

std::uint32_t hash_of(const std::string& text) {
  std::uint32_t hash = 2166136261U;  // FNV-1a, 32 bits
  for (const char c : text) hash = (hash ^ static_cast<std::uint8_t>(c)) * 16777619U;
  return hash;
}

/// By the host's name, so that it stays the same when others come and go; of two that collide the
/// older one's stays. `taken` has the addresses that are written out, too.
void add_automatic_addresses(const std::string& key, const CompileSettings& settings,
                             std::set<std::uint32_t>& taken, wire::Service& out) {
  if (taken.size() >= kAutomaticAddresses) return;
  auto number = hash_of(key) % kAutomaticAddresses;
  while (!taken.insert(number).second) number = (number + 1) % kAutomaticAddresses;
  const auto last = number + 1;
  for (const auto& text : {fmt::format("240.240.{}.{}", last >> 8U, last & 255U),
                           fmt::format("2001:2::f0f0:{:x}", last)}) {
    auto* address = out.add_addresses();
    address->set_network(settings.network);
    address->set_address(IpAddress::parse(text)->to_wire_bytes());
  }
}

/// Whether the address is a Service's or a pod's of another namespace: nobody may take it from
/// them.
bool is_taken(const std::string& bytes, const std::string& ns, const Draft& draft) {
  const auto owner = draft.address_owners.find(bytes);
  return owner != draft.address_owners.end() && owner->second != ns;
}

void add_addresses(const config::ObjectKey& key, const v1::ServiceEntry& spec,
                   const CompileSettings& settings, Draft& draft, wire::Service& out) {
  for (const auto& text : spec.addresses()) {
    const auto slash = text.find('/');
    const auto ip = IpAddress::parse(text.substr(0, slash));
    if (!ip) continue;  // refused by the validator
    if (is_taken(ip->to_wire_bytes(), key.ns, draft)) {
      draft.conditions.push_back({key, "Accepted", false, "AddressTaken",
                                  fmt::format("{} is another namespace's already", text)});
      continue;
    }
    auto* address = out.add_addresses();
    address->set_network(settings.network);
    address->set_address(ip->to_wire_bytes());
    const std::uint32_t all = ip->is_v4() ? 32 : 128;
    const auto length = slash == std::string::npos
                            ? all
                            : static_cast<std::uint32_t>(std::stoul(text.substr(slash + 1)));
    if (length != all) address->set_length(length);
  }
}

wire::AppProtocol protocol_of(const v1::ServicePort& port) {
  const auto& p = port.protocol();
  if (p == "HTTP" || p == "GRPC-WEB") return wire::HTTP11;
  if (p == "HTTP2") return wire::HTTP2;
  if (p == "GRPC") return wire::GRPC;
  if (p == "HTTPS" || p == "TLS") return wire::TLS;
  return p.empty() ? app_protocol_of_name(port.name()) : wire::TCP;
}

wire::PortList ports_of(const v1::ServiceEntry& spec, const v1::WorkloadEntry& endpoint) {
  wire::PortList out;
  // Of this service alone: a pod at that address may be behind others, too.
  out.set_culvert_weight(endpoint.weight());
  for (const auto& port : spec.ports()) {
    auto* to = out.add_ports();
    to->set_service_port(port.number());
    const auto own = endpoint.ports().find(port.name());
    to->set_target_port(own != endpoint.ports().end() ? own->second
                        : port.target_port() != 0     ? port.target_port()
                                                      : port.number());
  }
  return out;
}

/// Istio's field where it says enough, and ours beside it.
void set_visibility(const std::string& ns, const v1::ServiceEntry& spec, wire::Service& out) {
  std::set<std::string> to;
  for (const auto& name : spec.export_to()) {
    if (name == "*") return;
    to.insert(name == "." ? ns : name);
  }
  for (const auto& name : to) out.add_culvert_exported_to(name);
  if (to == std::set<std::string>{ns}) out.set_visibility(wire::Service::NAMESPACE);
}

/// The pod at this address, or a workload of its own.
wire::Workload& workload_at(const config::ObjectKey& key, const v1::WorkloadEntry& endpoint,
                            const IpAddress& ip, const WaypointChoice& waypoint,
                            const CompileSettings& settings, Draft& draft) {
  const auto bytes = ip.to_wire_bytes();
  for (auto& [name, entry] : draft.pods) {
    for (const auto& address : entry.workload.addresses()) {
      if (address == bytes && entry.workload.network_mode() != wire::HOST_NETWORK) {
        return entry.workload;
      }
    }
  }
  const auto uid = fmt::format("{}/networking.istio.io/ServiceEntry/{}/{}/{}", settings.cluster_id,
                               key.ns, key.name, ip.to_string());
  auto& out = draft.others[uid];
  if (!out.uid().empty()) return out;
  out.set_uid(uid);
  out.set_name(key.name);
  out.set_namespace_(key.ns);
  out.add_addresses(bytes);
  out.set_network(settings.network);
  out.set_trust_domain(settings.trust_domain);
  out.set_service_account(endpoint.service_account().empty() ? "default"
                                                             : endpoint.service_account());
  out.set_workload_type(wire::POD);
  out.set_workload_name(key.name);
  out.set_cluster_id(settings.cluster_id);
  if (endpoint.weight() != 0) out.mutable_capacity()->set_value(endpoint.weight());
  if (waypoint.address) *out.mutable_waypoint() = *waypoint.address;
  draft.labels[uid] = Labels(endpoint.labels().begin(), endpoint.labels().end());
  return out;
}

}  // namespace

void note_addresses(const api::istio::ServiceEntry& object, std::set<std::uint32_t>& taken) {
  static const auto kPrefixes = {*IpPrefix::parse(kAutomaticPrefix4),
                                 *IpPrefix::parse(kAutomaticPrefix6)};
  for (const auto& text : object.spec().addresses()) {
    const auto ip = IpAddress::parse(text.substr(0, text.find('/')));
    if (!ip) continue;
    for (const auto& prefix : kPrefixes) {
      if (!prefix.contains(*ip)) continue;
      const auto bytes = ip->to_wire_bytes();
      const auto byte = [&](std::size_t from_end) {
        return static_cast<std::uint32_t>(
            static_cast<std::uint8_t>(bytes[bytes.size() - from_end]));
      };
      const auto last = byte(2) << 8U | byte(1);
      if (last != 0) taken.insert(last - 1);
    }
  }
}

void add_service_entry(const config::ObjectKey& key, const api::istio::ServiceEntry& object,
                       const Waypoints& waypoints, const CompileSettings& settings,
                       std::set<std::uint32_t>& taken, Draft& draft) {
  const auto& spec = object.spec();
  const Labels labels(object.metadata().labels().begin(), object.metadata().labels().end());
  const auto choice = waypoints.for_service(key.ns, labels);
  if (auto condition = waypoint_condition(key, choice)) draft.conditions.push_back(*condition);
  const auto workload_choice = waypoints.for_workload(key.ns, labels);
  for (const auto& host : spec.hosts()) {
    const auto name = key.ns + "/" + host;
    auto [at, fresh] = draft.services.try_emplace(name);
    if (!fresh) {
      draft.conditions.push_back({key, "Accepted", false, "HostTaken",
                                  fmt::format("{} is another object's already", name)});
      continue;
    }
    auto& service = at->second;
    service.set_name(key.name);
    service.set_namespace_(key.ns);
    service.set_hostname(host);
    add_addresses(key, spec, settings, draft, service);
    if (spec.addresses().empty()) add_automatic_addresses(name, settings, taken, service);
    for (const auto& port : spec.ports()) {
      auto* to = service.add_ports();
      to->set_service_port(port.number());
      to->set_target_port(port.target_port() != 0 ? port.target_port() : port.number());
      to->set_app_protocol(protocol_of(port));
    }
    if (choice.address) *service.mutable_waypoint() = *choice.address;
    service.set_ingress_use_waypoint(waypoints.uses_waypoint_from_ingress(key.ns, labels));
    set_visibility(key.ns, spec, service);
    service.set_ip_families(ip_families(service));
    for (const auto& endpoint : spec.endpoints()) {
      const auto ip = IpAddress::parse(endpoint.address());
      if (!ip) continue;  // refused by the validator
      auto& workload = workload_at(key, endpoint, *ip, workload_choice, settings, draft);
      (*workload.mutable_services())[name] = ports_of(spec, endpoint);
    }
  }
}

}  // namespace culvert::control
