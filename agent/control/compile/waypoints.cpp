// Gateways into waypoints, labels into addresses. Precedence is Istio's: an object's own label,
// else its namespace's; "none" ends the search.
#include "control/compile/waypoints.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "control/compile/mesh_objects.hpp"
#include "culvert/config/waypoint_names.hpp"
#include "gateway_api.pb.h"
#include "istio_objects.pb.h"

namespace culvert::control {
namespace {

namespace wire = istio::workload;
using config::kControllerName, config::kGatewayName, config::kHboneProtocol, config::kWaypointPort;
using config::kIngressUseWaypoint, config::kUseWaypoint, config::kUseWaypointNamespace;
using config::kWaypointClass, config::kWaypointFor;
using policy::Labels;

constexpr std::string_view kNone = "none";
// RFC 6761, section 6.4: nothing is ever found under it.
constexpr std::string_view kNowhere = "invalid";

const std::string* find(const Labels& labels, std::string_view key) {
  const auto it = labels.find(std::string(key));
  return it == labels.end() ? nullptr : &it->second;
}

Labels labels_of(const k8s::ObjectMeta& metadata) {
  return {metadata.labels().begin(), metadata.labels().end()};
}

wire::GatewayAddress address_of(const std::string& ns, const std::string& hostname) {
  wire::GatewayAddress out;
  out.mutable_hostname()->set_namespace_(ns);
  out.mutable_hostname()->set_hostname(hostname);
  out.set_hbone_mtls_port(kWaypointPort);
  return out;
}

const char* reason_of(WaypointVerdict verdict) {
  switch (verdict) {
    case WaypointVerdict::kBound:
      return "WaypointAccepted";
    case WaypointVerdict::kOtherTraffic:
      return "UnsupportedTrafficType";
    case WaypointVerdict::kMissing:
      return "WaypointMissing";
    case WaypointVerdict::kNotAWaypoint:
      return "NotAWaypoint";
    case WaypointVerdict::kNotAllowed:
      return "NotAllowed";
  }
  return "";
}

std::string message_of(const WaypointChoice& choice) {
  const auto& name = choice.gateway;
  switch (choice.verdict) {
    case WaypointVerdict::kBound:
      return fmt::format("traffic goes through waypoint {}", name);
    case WaypointVerdict::kOtherTraffic:
      return fmt::format("waypoint {} is not for this kind of traffic ({}): without effect", name,
                         kWaypointFor);
    case WaypointVerdict::kMissing:
      return fmt::format("there is no Gateway {}: traffic is refused until there is", name);
    case WaypointVerdict::kNotAWaypoint:
      return fmt::format("Gateway {} is no waypoint: traffic is refused", name);
    case WaypointVerdict::kNotAllowed:
      return fmt::format(
          "waypoint {} does not admit this namespace (allowedRoutes): traffic is "
          "refused",
          name);
  }
  return "";
}

}  // namespace

Waypoints::Waypoints(const config::ObjectMap& objects, std::string cluster_domain)
    : domain_(std::move(cluster_domain)) {
  for (const auto& [key, object] : objects) {
    if (key.kind == "GatewayClass") {
      const auto& one = config::message_as<api::gateway::GatewayClass>(*object);
      if (one.spec().controller_name() == kControllerName) {
        our_classes_.emplace(key.name, labels_of(one.metadata()));
      }
    } else if (key.kind == "Namespace") {
      namespaces_.emplace(key.name,
                          labels_of(config::message_as<k8s::Namespace>(*object).metadata()));
    } else if (key.kind == "Gateway") {
      const auto& selector = config::message_as<api::istio::Gateway>(*object).spec().selector();
      edges_.emplace(key.ns + "/" + key.name, Labels(selector.begin(), selector.end()));
    }
  }
  for (auto it = objects.lower_bound({"KubernetesGateway", "", ""});
       it != objects.end() && it->first.kind == "KubernetesGateway"; ++it) {
    read_gateway(it->first, config::message_as<api::gateway::Gateway>(*it->second));
  }
}

void Waypoints::read_gateway(const config::ObjectKey& key, const api::gateway::Gateway& object) {
  auto& gateway = gateways_[key.ns + "/" + key.name];
  const auto& class_name = object.spec().gateway_class_name();
  const auto our_class = our_classes_.find(class_name);
  if (class_name != kWaypointClass && our_class == our_classes_.end()) {
    gateway.problem = fmt::format("gatewayClassName \"{}\" is not Culvert's", class_name);
    return;
  }
  const auto labels = labels_of(object.metadata());
  const auto* traffic = find(labels, kWaypointFor);
  if (!traffic && our_class != our_classes_.end()) traffic = find(our_class->second, kWaypointFor);
  const std::string text = traffic ? *traffic : "service";
  gateway.services = text == "service" || text == "all";
  gateway.workloads = text == "workload" || text == "all";
  gateway.waypoint = gateway.services || gateway.workloads || text == kNone;
  if (!gateway.waypoint) {
    gateway.problem =
        fmt::format("label {}: \"{}\" is none of service, workload, all, none", kWaypointFor, text);
  }
  const auto& listeners = object.spec().listeners();
  const auto mesh = std::ranges::find(listeners, kHboneProtocol, &api::gateway::Listener::protocol);
  for (const auto& listener : listeners) {
    if (listener.protocol() == kHboneProtocol && listener.port() == kWaypointPort) continue;
    if (gateway.problem.empty()) {
      gateway.problem = fmt::format(
          "listener \"{}\" is without effect: a waypoint listens with "
          "protocol {} on port {}",
          listener.name(), kHboneProtocol, kWaypointPort);
    }
  }
  if (mesh != listeners.end()) read_allowed(*mesh, gateway);
}

void Waypoints::read_allowed(const api::gateway::Listener& listener, Gateway& gateway) {
  const auto& namespaces = listener.allowed_routes().namespaces();
  if (namespaces.from().empty() || namespaces.from() == "Same") return;
  if (namespaces.from() == "All") {
    gateway.from = Gateway::From::kAll;
    return;
  }
  auto selector = namespaces.from() != "Selector"
                      ? std::unexpected(std::string("from must be Same, All or Selector"))
                  : namespaces.has_selector()
                      ? NamespaceSelector::read(namespaces.selector())
                      : std::unexpected(std::string("selector is required"));
  if (!selector) {
    gateway.from = Gateway::From::kNone;
    gateway.problem =
        fmt::format("allowedRoutes.namespaces: {}; only the Gateway's own namespace is admitted",
                    selector.error());
    return;
  }
  gateway.from = Gateway::From::kSelector;
  gateway.selector = std::move(*selector);
}

bool Waypoints::admits(const Gateway& gateway, const std::string& ns) const {
  if (gateway.from == Gateway::From::kAll) return true;
  if (gateway.from != Gateway::From::kSelector) return false;
  const auto labels = namespaces_.find(ns);
  return gateway.selector.selects(ns, labels == namespaces_.end() ? Labels() : labels->second);
}

std::optional<Waypoints::Named> Waypoints::named_by(const Labels& labels,
                                                    const std::string& default_ns) {
  const auto* name = find(labels, kUseWaypoint);
  if (!name || name->empty()) return std::nullopt;
  if (*name == kNone) return Named{};
  const auto* ns = find(labels, kUseWaypointNamespace);
  return Named{ns && !ns->empty() ? *ns : default_ns, *name};
}

WaypointChoice Waypoints::choose(const std::string& ns, const Labels& labels, bool service) const {
  WaypointChoice choice;
  auto named = named_by(labels, ns);
  choice.own_label = named.has_value();
  if (!named) {
    const auto found = namespaces_.find(ns);
    if (found != namespaces_.end()) named = named_by(found->second, ns);
  }
  if (!named || named->name.empty()) return choice;
  choice.gateway = named->ns + "/" + named->name;
  auto hostname = fmt::format("{}.{}.svc.{}", named->name, named->ns, domain_);
  const auto found = gateways_.find(choice.gateway);
  if (found == gateways_.end() || !found->second.waypoint) {
    choice.verdict =
        found == gateways_.end() ? WaypointVerdict::kMissing : WaypointVerdict::kNotAWaypoint;
    // What is not there cannot say what it is for: a namespace's label means services then.
    if (service || choice.own_label) choice.address = address_of(named->ns, hostname);
    return choice;
  }
  const auto& gateway = found->second;
  if (!(service ? gateway.services : gateway.workloads)) {
    choice.verdict = WaypointVerdict::kOtherTraffic;
    return choice;
  }
  if (named->ns != ns && !admits(gateway, ns)) {
    choice.verdict = WaypointVerdict::kNotAllowed;
    hostname = fmt::format("{}.{}.{}", named->name, named->ns, kNowhere);
  }
  choice.address = address_of(named->ns, hostname);
  return choice;
}

WaypointChoice Waypoints::for_service(const std::string& ns, const Labels& labels) const {
  return is_part_of_waypoint(ns, labels) ? WaypointChoice{} : choose(ns, labels, true);
}

WaypointChoice Waypoints::for_workload(const std::string& ns, const Labels& labels) const {
  return is_part_of_waypoint(ns, labels) ? WaypointChoice{} : choose(ns, labels, false);
}

bool Waypoints::is_waypoint(const std::string& ns, const std::string& name) const {
  const auto found = gateways_.find(ns + "/" + name);
  return found != gateways_.end() && found->second.waypoint;
}

bool Waypoints::is_part_of_waypoint(const std::string& ns, const Labels& labels) const {
  const auto* gateway = find(labels, kGatewayName);
  return gateway && is_waypoint(ns, *gateway);
}

bool Waypoints::uses_waypoint_from_ingress(const std::string& ns, const Labels& labels) const {
  const auto* own = find(labels, kIngressUseWaypoint);
  if (own) return *own == "true";
  const auto found = namespaces_.find(ns);
  const auto* inherited =
      found == namespaces_.end() ? nullptr : find(found->second, kIngressUseWaypoint);
  return inherited && *inherited == "true";
}

std::vector<std::string> Waypoints::edges_of(const Labels& labels) const {
  std::vector<std::string> out;
  for (const auto& [name, selector] : edges_) {
    const bool selected = std::ranges::all_of(selector, [&](const auto& wanted) {
      const auto* value = find(labels, wanted.first);
      return value && *value == wanted.second;
    });
    if (selected && !selector.empty()) out.push_back(name);
  }
  return out;
}

void Waypoints::add_conditions(config::Conditions& out) const {
  for (const auto& [name, labels] : namespaces_) {
    const auto named = named_by(labels, name);
    if (!named || named->name.empty()) continue;
    // Of the two kinds of traffic, the one that is better served: either may be meant.
    auto choice = choose(name, {}, true);
    if (choice.verdict == WaypointVerdict::kOtherTraffic) choice = choose(name, {}, false);
    if (auto condition = waypoint_condition({"Namespace", "", name}, choice)) {
      out.push_back(std::move(*condition));
    }
  }
  for (const auto& [full_name, gateway] : gateways_) {
    const auto slash = full_name.find('/');
    config::Condition condition{
        {"KubernetesGateway", full_name.substr(0, slash), full_name.substr(slash + 1)},
        "Accepted",
        gateway.problem.empty(),
        gateway.problem.empty() ? "Accepted"
        : gateway.waypoint      ? "NotAllHonoured"
                                : "NotAWaypoint",
        gateway.problem};
    if (condition.status) {
      condition.message = fmt::format("a waypoint for {}", gateway.services && gateway.workloads
                                                               ? "services and workloads"
                                                           : gateway.services  ? "services"
                                                           : gateway.workloads ? "workloads"
                                                                               : "no traffic");
    }
    out.push_back(std::move(condition));
  }
}

std::optional<config::Condition> waypoint_condition(const config::ObjectKey& object,
                                                    const WaypointChoice& choice) {
  if (choice.gateway.empty()) return std::nullopt;
  return config::Condition{object, "WaypointBound", choice.verdict == WaypointVerdict::kBound,
                           reason_of(choice.verdict), message_of(choice)};
}

}  // namespace culvert::control
