#include "lab/waypoints.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "culvert/config/gateways.hpp"
#include "culvert/config/parse.hpp"
#include "culvert/config/waypoint_names.hpp"
#include "lab/objects.hpp"

namespace culvert::lab {
namespace {

using nlohmann::json;

template <class T>
void replace(std::vector<T>& list, T one) {
  std::erase_if(list, [&](const T& old) { return old.key() == one.key(); });
  list.push_back(std::move(one));
}

Gateway waypoint_of(const Document& document, const std::string& folder,
                    const config::KubernetesGatewayText& text, Diagnostics& problems) {
  Gateway gateway{.ns = document.ns,
                  .name = document.name,
                  .class_name = text.class_name,
                  .folder = folder,
                  .file = document.file,
                  .line = document.line};
  const auto found = text.annotations.find(std::string(config::kReplicas));
  if (found == text.annotations.end()) return gateway;
  const char* end = found->second.data() + found->second.size();
  const auto [stop, error] = std::from_chars(found->second.data(), end, gateway.replicas);
  if (error != std::errc{} || stop != end || gateway.replicas > kWaypointReplicasMax)
    problems.push_back(
        {.file = document.file,
         .line = document.line,
         .column = 1,
         .object = document.key(),
         .field = fmt::format("metadata.annotations['{}']", config::kReplicas),
         .reason = fmt::format("a number from 0 to {}, in quotes", kWaypointReplicasMax)});
  return gateway;
}

bool is_ours(const std::string& class_name, const Manifest& wanted, const Placement& running) {
  const auto has = [&](const std::vector<std::string>& classes) {
    return std::ranges::find(classes, class_name) != classes.end();
  };
  return class_name == config::kWaypointClass || has(wanted.waypoint_classes) ||
         has(running.waypoint_classes);
}

/// Those of the manifest, and of the lab's where a GatewayClass of the manifest now makes them
/// ours.
std::vector<Gateway> new_waypoints(const Manifest& wanted, const Placement& running) {
  std::vector<Gateway> out;
  for (const Gateway& gateway : wanted.gateways)
    if (is_ours(gateway.class_name, wanted, running)) out.push_back(gateway);
  for (const Gateway& gateway : running.gateways) {
    const bool again =
        std::ranges::find(wanted.gateways, gateway.key(), &Gateway::key) != wanted.gateways.end();
    const auto& fresh = wanted.waypoint_classes;
    if (!again && std::ranges::find(fresh, gateway.class_name) != fresh.end())
      out.push_back(gateway);
  }
  return out;
}

Document as_document(const Gateway& gateway, const char* kind, std::string name, const json& tree) {
  return {.file = gateway.file,
          .line = gateway.line,
          .text = tree.dump(1, ' ') + "\n",
          .api_version = "v1",
          .kind = kind,
          .ns = gateway.ns,
          .name = std::move(name)};
}

std::expected<Service, Diagnostic> service_of(const Gateway& gateway) {
  const json labels{{std::string(config::kGatewayName), gateway.name}};
  const json tree{
      {"apiVersion", "v1"},
      {"kind", "Service"},
      {"metadata", {{"name", gateway.name}, {"namespace", gateway.ns}, {"labels", labels}}},
      {"spec",
       {{"selector", labels}, {"ports", {{{"name", "mesh"}, {"port", config::kWaypointPort}}}}}}};
  return read_service(as_document(gateway, "Service", gateway.name, tree));
}

}  // namespace

Probe waypoint_probe() {
  return {.kind = Probe::Kind::kHttpGet,
          .path = "/healthz/ready",
          .port = std::to_string(kWaypointReadyPort)};
}

void read_gateway(const Document& document, const std::string& folder, Manifest& out) {
  for (const auto& object : config::parse_file(document.file, document.text).objects) {
    const auto text = config::gateway_text(*object);
    if (const auto* one = std::get_if<config::GatewayClassText>(&text)) {
      if (one->controller == config::kControllerName)
        out.waypoint_classes.push_back(object->key.name);
    } else if (const auto* waypoint = std::get_if<config::KubernetesGatewayText>(&text)) {
      out.gateways.push_back(waypoint_of(document, folder, *waypoint, out.problems));
    } else if (std::holds_alternative<config::IstioGatewayText>(text)) {
      out.edges.push_back({document.ns, document.name});
    }
  }
}

void remember_gateways(const Manifest& wanted, const Placement& running, Placement& out) {
  out.gateways = running.gateways;
  out.edges = running.edges;
  out.waypoint_classes = running.waypoint_classes;
  for (const Gateway& gateway : wanted.gateways) replace(out.gateways, gateway);
  for (const EdgeGateway& edge : wanted.edges) replace(out.edges, edge);
  for (const std::string& one : wanted.waypoint_classes)
    if (std::ranges::find(out.waypoint_classes, one) == out.waypoint_classes.end())
      out.waypoint_classes.push_back(one);
}

Pod waypoint_replica(const Gateway& gateway, unsigned number) {
  const std::string name = fmt::format("{}-{}", gateway.name, number);
  const json tree{
      {"apiVersion", "v1"},
      {"kind", "Pod"},
      {"metadata",
       {{"name", name},
        {"namespace", gateway.ns},
        {"labels",
         {{std::string(config::kGatewayName), gateway.name},
          {"service.istio.io/canonical-name", gateway.name},
          {"istio.io/dataplane-mode", "none"}}},
        {"ownerReferences",
         {{{"apiVersion", "apps/v1"},
           {"kind", "Deployment"},
           {"name", gateway.name},
           {"controller", true},
           {"uid", fmt::format("{:016x}", name_hash("KubernetesGateway " + gateway.key()))}}}}}},
      {"spec",
       {{"serviceAccountName", gateway.name},
        {"containers",
         {{{"name", "waypoint"},
           {"image", kWaypointProgram},
           {"ports", {{{"name", "mesh"}, {"containerPort", config::kWaypointPort}}}}}}}}}};
  const Document document = as_document(gateway, "Pod", name, tree);
  auto read = read_pod(document);
  Pod pod = read ? std::move(*read) : Pod{.ns = gateway.ns, .name = name};
  pod.owner = gateway.name;
  pod.folder = gateway.folder;
  return pod;
}

void add_waypoints(Manifest& wanted, const Placement& running, bool mesh) {
  if (!mesh) {
    std::erase_if(wanted.pods, is_proxy);
    return;
  }
  for (const Gateway& gateway : new_waypoints(wanted, running)) {
    for (unsigned i = 1; i <= gateway.replicas; ++i)
      wanted.pods.push_back(waypoint_replica(gateway, i));
    if (std::ranges::find(wanted.services, gateway.key(), &Service::key) != wanted.services.end())
      continue;
    if (auto service = service_of(gateway); service) wanted.services.push_back(std::move(*service));
  }
}

std::vector<std::string> listed_waypoints(const Manifest& wanted, const Placement& running) {
  std::vector<std::string> out;
  for (const Gateway& gateway : wanted.gateways) out.push_back(gateway.key());
  for (const Gateway& gateway : new_waypoints(wanted, running)) out.push_back(gateway.key());
  return out;
}

bool is_proxy(const Pod& pod) {
  return std::ranges::any_of(pod.containers, &Container::waypoint);
}

bool is_waypoint(const Pod& pod) {
  return pod.labels.contains(std::string(config::kGatewayName)) && is_proxy(pod);
}

bool is_waypoint_service(const Service& service) {
  return service.selector.contains(std::string(config::kGatewayName));
}

std::vector<std::string> waypoint_flags(const Pod& pod) {
  std::vector<std::string> out{"--name",
                               pod.name,
                               "--namespace",
                               pod.ns,
                               "--service-account",
                               pod.service_account,
                               "--control",
                               fmt::format("{}/{}", kRunDir, config::kProxySocket)};
  for (const IpAddress& ip : pod.ips) out.insert(out.end(), {"--pod-ip", ip.to_string()});
  if (!is_waypoint(pod)) out.emplace_back("--edge");
  return out;
}

}  // namespace culvert::lab
