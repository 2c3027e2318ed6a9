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
#include "culvert/mesh/waypoint.hpp"
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

/// f(rule, destination, the path of the subset's field, what becomes of requests where it is
/// refused) for all that requests may be sent to.
template <class F>
void each_destination(const auto& spec, F f) {
  for (int i = 0; i < spec.http_size(); ++i) {
    const auto& http = spec.http(i);
    const auto rule = fmt::format("spec.http[{}]", i);
    for (int j = 0; j < http.route_size(); ++j) {
      f(http, http.route(j).destination(), fmt::format("{}.route[{}].destination.subset", rule, j),
        "is answered 503");
    }
    if (http.has_mirror()) f(http, http.mirror(), rule + ".mirror.subset", "is not mirrored");
    for (int j = 0; j < http.mirrors_size(); ++j) {
      f(http, http.mirrors(j).destination(),
        fmt::format("{}.mirrors[{}].destination.subset", rule, j), "is not mirrored");
    }
  }
}

bool covers(std::string_view pattern, std::string_view host) {
  if (!pattern.starts_with('*')) return pattern == host;
  return host.ends_with(pattern.substr(1));
}

/// Of one host's services.
bool has_waypoint(const std::map<std::string, std::string>& services) {
  return std::ranges::any_of(services, [](const auto& one) { return !one.second.empty(); });
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

void RouteStatus::take_address(const std::string& name, const std::string& bytes) {
  forget_address(name);
  auto address = xds::parse_address(bytes, "");
  if (!address) return;
  if (const auto* pod = std::get_if<mesh::Workload>(&*address)) {
    if (!pod->waypoint) return;
    for (const auto& [key, ports] : pod->services) {
      if (!key.starts_with(pod->ns + "/")) continue;  // nobody else's rules hold for a pod
      pods_[key][name] = mesh::waypoint_name(*pod->waypoint);
      services_of_pods_[name].push_back(key);
    }
    return;
  }
  auto& service = std::get<mesh::Service>(*address);
  services_[service.hostname][name] =
      service.waypoint ? mesh::waypoint_name(*service.waypoint) : std::string();
  compiler_.put(std::make_shared<const mesh::Service>(std::move(service)));
}

void RouteStatus::forget_address(const std::string& name) {
  const auto forget = [&](auto& all, const std::string& at) {
    const auto found = all.find(at);
    if (found != all.end() && found->second.erase(name) > 0 && found->second.empty()) {
      all.erase(found);
    }
  };
  forget(services_, name.substr(name.find('/') + 1));
  if (const auto pod = services_of_pods_.extract(name)) {
    for (const auto& key : pod.mapped()) forget(pods_, key);
  }
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
      forget_address(name);
    }
    for (const auto& name : delta.updated) {
      const auto& bytes = now.at(type).at(name).bytes;
      if (type == xds::kAddressType) {
        take_address(name, bytes);
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
    return covers(host, service.first) && has_waypoint(service.second);
  });
}

std::set<std::string> RouteStatus::waypoints_of(const std::string& host) const {
  std::set<std::string> out;
  if (const auto found = services_.find(host); found != services_.end()) {
    for (const auto& [key, waypoint] : found->second) out.insert(waypoint);
  }
  out.erase("");
  return out;
}

std::set<std::string> RouteStatus::waypoints_that_ask(const std::set<std::string>& hosts) const {
  std::set<std::string> out;
  const auto add = [&](const auto& of_host) {
    for (const auto& [key, waypoint] : of_host.second) {
      if (!waypoint.empty()) out.insert(waypoint);
      const auto pods = pods_.find(key);
      if (pods == pods_.end()) continue;
      for (const auto& [uid, own] : pods->second) out.insert(own);
    }
  };
  for (const auto& host : hosts) {
    if (const auto found = services_.find(host); found != services_.end()) {
      add(*found);
    } else if (host.starts_with('*')) {
      for (const auto& one : services_) {
        if (covers(host, one.first)) add(one);
      }
    }
  }
  return out;
}

std::vector<std::string> RouteStatus::refused_subsets(const config::Object& object) const {
  const auto& spec = config::message_as<api::istio::VirtualService>(object).spec();
  const auto& ns = object.key.ns;
  std::set<std::string> hosts;
  for (const auto& host : spec.hosts()) hosts.insert(full_host(host, ns, domain_));
  auto edges = gateways_of(spec, ns);
  const bool in_mesh = edges.erase(std::string(kMesh)) > 0;
  std::erase_if(edges, [&](const auto& gateway) { return !is_served(gateway, ""); });
  const std::set<std::string> mesh{std::string(kMesh)};
  std::vector<std::string> out;
  each_destination(spec, [&](const auto& http, const auto& destination, const std::string& field,
                             std::string_view what) {
    if (destination.subset().empty()) return;
    const auto host = full_host(destination.host(), ns, domain_);
    const auto chosen_by = waypoints_of(host);
    if (chosen_by.empty()) return;
    std::vector<std::string> at;
    if (holds_at(http, edges, ns)) at.emplace_back("edges");
    if (in_mesh && holds_at(http, mesh, ns)) {
      for (const auto& asking : waypoints_that_ask(hosts)) {
        if (!chosen_by.contains(asking)) at.push_back(asking);
      }
    }
    if (at.empty()) return;
    out.push_back(
        fmt::format("{} ({} of {}) {} at {}", field, destination.subset(), host, what, list(at)));
  });
  return out;
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
        "{}: a service's waypoint cannot be told of a subset, and chooses by the rules of mesh; {}",
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
    waypoint = waypoint || has_waypoint(keys);
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
