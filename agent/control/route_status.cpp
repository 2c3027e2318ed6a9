#include "route_status.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <istio_objects.pb.h>
#include <kubernetes.pb.h>

#include <algorithm>
#include <array>
#include <set>

#include "control/compile/waypoints.hpp"
#include "culvert/l7/wire_object.hpp"
#include "culvert/xds/resources.hpp"

namespace culvert::control {
namespace {

constexpr std::string_view kMesh = "mesh";
constexpr std::size_t kNamed = 8;  // of a list in a message; the rest is counted

/// Istio's: a name without a dot is a service of the object's namespace.
std::string full_host(const std::string& host, const std::string& ns, const std::string& domain) {
  if (host.ends_with(".svc") && !host.starts_with('*')) return host + "." + domain;
  return host.find_first_of(".*") != std::string::npos
             ? host
             : fmt::format("{}.{}.svc.{}", host, ns, domain);
}

std::string full_gateway(const std::string& gateway, const std::string& ns) {
  const bool bare = gateway != kMesh && !gateway.contains('/');
  return bare ? ns + "/" + gateway : gateway;
}

/// Without any: mesh.
std::set<std::string> gateways_of(const auto& spec, const std::string& ns) {
  std::set<std::string> out;
  for (const auto& gateway : spec.gateways()) out.insert(full_gateway(gateway, ns));
  if (out.empty()) out.insert(std::string(kMesh));
  return out;
}

/// Whether a request at one of `gateways` may meet the rule.
bool holds_at(const auto& rule, const std::set<std::string>& gateways, const std::string& ns) {
  if (rule.match().empty()) return !gateways.empty();
  return std::ranges::any_of(rule.match(), [&](const auto& match) {
    if (match.gateways().empty()) return !gateways.empty();
    return std::ranges::any_of(match.gateways(), [&](const std::string& gateway) {
      return gateways.contains(full_gateway(gateway, ns));
    });
  });
}

bool covers(std::string_view pattern, std::string_view host) {
  if (!pattern.starts_with('*')) return pattern == host;
  return host.ends_with(pattern.substr(1));
}

std::string list(const std::vector<std::string>& all) {
  const auto shown = std::min(all.size(), kNamed);
  auto out =
      fmt::format("{}", fmt::join(all.begin(), all.begin() + static_cast<long>(shown), "; "));
  if (shown < all.size()) out += fmt::format("; and {} more", all.size() - shown);
  return out;
}

/// "NS/NAME" of an object that is in force.
template <class F>
void each(const config::ObjectMap& objects, const char* kind, F f) {
  for (auto it = objects.lower_bound({kind, "", ""}); it != objects.end() && it->first.kind == kind;
       ++it) {
    f(*it->second);
  }
}

/// By Istio's Gateway, "NS/NAME": its pods, "NS/NAME NS/NAME".
std::map<std::string, std::string> pods_of_gateways(const config::ObjectMap& objects,
                                                    const std::string& domain) {
  const Waypoints waypoints(objects, domain);
  std::map<std::string, std::vector<std::string>> pods;
  each(objects, "Gateway", [&](const config::Object& o) { pods[o.key.ns + "/" + o.key.name]; });
  if (pods.empty()) return {};
  each(objects, "Pod", [&](const config::Object& object) {
    const auto& labels = config::message_as<api::k8s::Pod>(object).metadata().labels();
    for (const auto& gateway : waypoints.edges_of({labels.begin(), labels.end()})) {
      pods[gateway].push_back(object.key.ns + "/" + object.key.name);
    }
  });
  std::map<std::string, std::string> out;
  for (const auto& [gateway, names] : pods) out[gateway] = list(names);
  return out;
}

}  // namespace

RouteStatus::RouteStatus(const CompileSettings& settings)
    : domain_(settings.cluster_domain),
      compiler_({settings.cluster_domain, settings.root_namespace, settings.root_namespace}) {}

void RouteStatus::take_service(const std::string& name, const std::string& bytes) {
  auto address = xds::parse_address(bytes, "");
  auto* service = address ? std::get_if<mesh::Service>(&*address) : nullptr;
  if (service == nullptr) return;
  services_[service->hostname][name] = service->waypoint.has_value();
  compiler_.put(std::make_shared<const mesh::Service>(std::move(*service)));
}

void RouteStatus::take(const ResourceSet& resources) {
  ResourceSet now;
  for (const auto type : {xds::kAddressType, l7::kVirtualServiceType, l7::kDestinationRuleType}) {
    if (const auto found = resources.find(type); found != resources.end()) now.insert(*found);
  }
  for (const auto& [type, delta] : diff(known_, now)) {
    for (const auto& name : delta.removed) {
      const auto slash = name.find('/');
      const auto ns = name.substr(0, slash);
      const auto rest = name.substr(slash + 1);
      if (type == l7::kVirtualServiceType) compiler_.remove_virtual_service(ns, rest);
      if (type == l7::kDestinationRuleType) compiler_.remove_destination_rule(ns, rest);
      if (type != xds::kAddressType) continue;
      compiler_.remove_service(name);
      if (const auto at = services_.find(rest); at != services_.end()) {
        at->second.erase(name);
        if (at->second.empty()) services_.erase(at);
      }
    }
    for (const auto& name : delta.updated) {
      const auto& bytes = now.at(type).at(name).bytes;
      if (type == xds::kAddressType) {
        take_service(name, bytes);
      } else if (type == l7::kVirtualServiceType) {
        if (auto object = l7::parse_virtual_service(bytes)) compiler_.put(std::move(*object));
      } else if (auto object = l7::parse_destination_rule(bytes)) {
        compiler_.put(std::move(*object));
      }
    }
  }
  known_ = std::move(now);
  compiler_.compile();
}

bool RouteStatus::is_served(const std::string& gateway, const std::string& host) const {
  if (gateway != kMesh) {
    const auto edge = edges_.find(gateway);
    return edge != edges_.end() && !edge->second.empty();
  }
  return std::ranges::any_of(services_, [&](const auto& service) {
    return covers(host, service.first) &&
           std::ranges::any_of(service.second, [](const auto& one) { return one.second; });
  });
}

bool RouteStatus::has_waypoint(const std::string& host) const {
  const auto found = services_.find(host);
  return found != services_.end() &&
         std::ranges::any_of(found->second, [](const auto& one) { return one.second; });
}

std::vector<std::string> RouteStatus::refused_subsets(const config::Object& object) const {
  const auto& spec = config::message_as<api::istio::VirtualService>(object).spec();
  std::set<std::string> out;
  const auto look = [&](const auto& destination) {
    const auto host = full_host(destination.host(), object.key.ns, domain_);
    if (!destination.subset().empty() && has_waypoint(host))
      out.insert(fmt::format("{} of {}", destination.subset(), host));
  };
  auto edges = gateways_of(spec, object.key.ns);
  std::erase_if(edges, [&](const auto& g) { return g == kMesh || !is_served(g, ""); });
  for (const auto& http : spec.http()) {
    if (!holds_at(http, edges, object.key.ns)) continue;
    for (const auto& route : http.route()) look(route.destination());
    if (http.has_mirror()) look(http.mirror());
    for (const auto& mirror : http.mirrors()) look(mirror.destination());
  }
  return {out.begin(), out.end()};
}

config::Condition RouteStatus::of_virtual_service(const config::Object& object) const {
  const auto& spec = config::message_as<api::istio::VirtualService>(object).spec();
  const auto report = compiler_.report(object.key.ns, object.key.name);
  auto lines = report.lines;
  for (const auto& unknown : report.unknown) lines.push_back("there is no " + unknown);
  config::Condition out{object.key, "WaypointAccepted", true, "InForce", list(lines)};
  if (!report.in_force) {
    out.status = false;
    out.reason = "NotInForce";
    return out;
  }
  const auto gateways = gateways_of(spec, object.key.ns);
  const bool served = std::ranges::any_of(gateways, [&](const std::string& gateway) {
    return std::ranges::any_of(spec.hosts(), [&](const std::string& host) {
      return is_served(gateway, full_host(host, object.key.ns, domain_));
    });
  });
  if (const auto subsets = refused_subsets(object); served && !subsets.empty()) {
    out.status = false;
    out.reason = "SubsetBehindWaypoint";
    out.message = fmt::format(
        "edges answer 503 for subset {}: a service's waypoint, which they go to, chooses subsets "
        "by the rules of mesh; {}",
        list(subsets), out.message);
  }
  if (served) return out;
  out.status = false;
  out.reason = "NotServed";
  out.message =
      "without effect: no service of its hosts has a waypoint, and no pod serves its "
      "gateways; " +
      out.message;
  return out;
}

config::Condition RouteStatus::of_destination_rule(const config::Object& object) const {
  const auto& spec = config::message_as<api::istio::DestinationRule>(object).spec();
  const auto host = full_host(spec.host(), object.key.ns, domain_);
  std::vector<std::string> hosts;
  bool waypoint = false;
  for (const auto& [name, keys] : services_) {
    if (!covers(host, name)) continue;
    hosts.push_back(name);
    waypoint = waypoint || std::ranges::any_of(keys, [](const auto& one) { return one.second; });
  }
  // Edges and waypoints of other services lead to it, too: a VirtualService may.
  const bool edges = std::ranges::any_of(edges_, [](const auto& e) { return !e.second.empty(); });
  if (hosts.empty()) {
    return {object.key, "WaypointAccepted", false, "HostUnknown",
            fmt::format("without effect: there is no service {}", host)};
  }
  if (!waypoint && !edges) {
    return {object.key, "WaypointAccepted", false, "NotServed",
            fmt::format("without effect: {} has no waypoint", list(hosts))};
  }
  return {object.key, "WaypointAccepted", true, "InForce", "for " + list(hosts)};
}

config::Conditions RouteStatus::update(const config::ObjectMap& objects,
                                       const ResourceSet& resources) {
  take(resources);
  edges_ = pods_of_gateways(objects, domain_);
  config::Conditions out;
  each(objects, "VirtualService",
       [&](const config::Object& object) { out.push_back(of_virtual_service(object)); });
  each(objects, "DestinationRule",
       [&](const config::Object& object) { out.push_back(of_destination_rule(object)); });
  for (const auto& [gateway, pods] : edges_) {
    const auto slash = gateway.find('/');
    out.push_back({{"Gateway", gateway.substr(0, slash), gateway.substr(slash + 1)},
                   "WaypointAccepted",
                   !pods.empty(),
                   pods.empty() ? "NoPods" : "InForce",
                   pods.empty() ? "no pod has the labels of its selector" : "served by " + pods});
  }
  return out;
}

}  // namespace culvert::control
