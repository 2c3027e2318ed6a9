#include "identities.hpp"

#include <fmt/format.h>
#include <kubernetes.pb.h>

namespace culvert::control {
namespace {

constexpr const char* kRedirection = "ambient.istio.io/redirection";

bool is_meshed(const api::k8s::Pod& pod) {
  const auto& annotations = pod.metadata().annotations();
  const auto redirection = annotations.find(kRedirection);
  if (redirection == annotations.end() || redirection->second != "enabled") return false;
  const std::string& phase = pod.status().phase();
  return !pod.spec().host_network() && phase != "Succeeded" && phase != "Failed";
}

const std::string& service_account(const api::k8s::PodSpec& spec) {
  static const std::string kDefault = "default";
  if (!spec.service_account_name().empty()) return spec.service_account_name();
  return spec.service_account().empty() ? kDefault : spec.service_account();
}

}  // namespace

IdentitiesByNode identities_by_node(const config::ObjectMap& objects,
                                    std::string_view trust_domain) {
  IdentitiesByNode out;
  for (const auto& [key, object] : objects) {
    if (key.kind == "Node") out[key.name];
    if (key.kind != "Pod") continue;
    const auto& pod = config::message_as<api::k8s::Pod>(*object);
    const auto node = pod.spec().node_name();
    if (node.empty() || !is_meshed(pod)) continue;
    out[node].insert(
        fmt::format("spiffe://{}/ns/{}/sa/{}", trust_domain, key.ns, service_account(pod.spec())));
  }
  std::erase_if(out,
                [&](const auto& entry) { return !objects.contains({"Node", "", entry.first}); });
  return out;
}

}  // namespace culvert::control
