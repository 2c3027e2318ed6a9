// A pod as a Workload: identity, tunnel, names for telemetry, locality, policies.
#include <google/protobuf/any.pb.h>

#include <algorithm>
#include <array>
#include <optional>

#include "control/compile/mesh_objects.hpp"
#include "culvert/base/ip.hpp"
#include "culvert/xds/resources.hpp"
#include "culvert_workload.pb.h"

namespace culvert::control {
namespace {

namespace wire = istio::workload;
using policy::MtlsMode;

constexpr const char* kRedirection = "ambient.istio.io/redirection";

std::string label(const Labels& labels, std::initializer_list<const char*> keys,
                  std::string fallback) {
  for (const char* key : keys) {
    if (auto it = labels.find(key); it != labels.end() && !it->second.empty()) return it->second;
  }
  return fallback;
}

std::string without_suffix(const std::string& name, const std::string& suffix) {
  if (!suffix.empty() && name.ends_with("-" + suffix)) {
    return name.substr(0, name.size() - suffix.size() - 1);
  }
  return name;
}

/// CronJobs name their Jobs by the minute: NAME-28111111.
std::optional<std::string> cron_job_of(const std::string& job) {
  const auto dash = job.rfind('-');
  if (dash == std::string::npos || dash == 0) return std::nullopt;
  const auto digits = std::string_view(job).substr(dash + 1);
  const bool minute = digits.size() >= 8 && digits.size() <= 10 &&
                      std::ranges::all_of(digits, [](char c) { return c >= '0' && c <= '9'; });
  if (!minute) return std::nullopt;
  return job.substr(0, dash);
}

/// Who made the pod, as telemetry names it.
void set_owner(const k8s::Pod& pod, const Labels& labels, wire::Workload& out) {
  out.set_workload_type(wire::POD);
  out.set_workload_name(pod.metadata().name());
  const k8s::OwnerReference* owner = nullptr;
  for (const auto& o : pod.metadata().owner_references()) {
    if (!owner || (o.controller() && !owner->controller())) owner = &o;
  }
  if (!owner || owner->name().empty()) return;
  out.set_workload_name(owner->name());
  if (owner->kind() == "Deployment") {
    out.set_workload_type(wire::DEPLOYMENT);
  } else if (owner->kind() == "ReplicaSet") {
    out.set_workload_type(wire::DEPLOYMENT);
    out.set_workload_name(without_suffix(owner->name(), label(labels, {"pod-template-hash"}, "")));
  } else if (owner->kind() == "Job") {
    const auto cron_job = cron_job_of(owner->name());
    out.set_workload_type(cron_job ? wire::CRONJOB : wire::JOB);
    if (cron_job) out.set_workload_name(*cron_job);
  }
}

bool is_ready(const k8s::Pod& pod) {
  if (pod.metadata().has_deletion_timestamp()) return false;
  return std::ranges::any_of(pod.status().conditions(), [](const auto& c) {
    return c.type() == "Ready" && c.status() == "True";
  });
}

void set_addresses(const k8s::Pod& pod, wire::Workload& out) {
  for (const auto& entry : pod.status().pod_ips()) {
    if (auto ip = IpAddress::parse(entry.ip())) out.add_addresses(ip->to_wire_bytes());
  }
  if (out.addresses_size() > 0) return;
  if (auto ip = IpAddress::parse(pod.status().pod_ip())) out.add_addresses(ip->to_wire_bytes());
}

/// HBONE for a captured pod, unless PeerAuthentication asks for plaintext; what holds for some
/// ports only goes into our extension.
void set_tunnel(const k8s::Pod& pod, const policy::Mtls& mtls, wire::Workload& out) {
  const auto& annotations = pod.metadata().annotations();
  const auto it = annotations.find(kRedirection);
  const bool captured = it != annotations.end() && it->second == "enabled";
  const bool plaintext = mtls.mode == MtlsMode::kDisable;
  if (!captured || pod.spec().host_network() || (plaintext && mtls.ports.empty())) return;
  out.set_tunnel_protocol(wire::HBONE);
  culvert::workload::PlaintextPorts ports;
  for (const auto& [port, mode] : mtls.ports) {
    if ((mode == MtlsMode::kDisable) != plaintext) ports.add_ports(port);
  }
  if (ports.ports_size() == 0) return;
  ports.set_all_but(plaintext);
  auto* extension = out.add_extensions();
  extension->set_name(std::string(xds::kPlaintextPortsExtension));
  extension->mutable_config()->PackFrom(ports);
}

void set_locality(const k8s::Node* node, wire::Workload& out) {
  if (!node) return;
  const Labels labels(node->metadata().labels().begin(), node->metadata().labels().end());
  const auto region = label(
      labels, {"topology.kubernetes.io/region", "failure-domain.beta.kubernetes.io/region"}, "");
  const auto zone =
      label(labels, {"topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone"}, "");
  const auto subzone = label(labels, {"topology.istio.io/subzone"}, "");
  if (region.empty() && zone.empty() && subzone.empty()) return;
  out.mutable_locality()->set_region(region);
  out.mutable_locality()->set_zone(zone);
  out.mutable_locality()->set_subzone(subzone);
}

std::string account_of(const k8s::PodSpec& spec) {
  if (!spec.service_account_name().empty()) return spec.service_account_name();
  return spec.service_account().empty() ? "default" : spec.service_account();
}

}  // namespace

bool is_addressable(const k8s::Pod& pod) {
  const auto& phase = pod.status().phase();
  const bool ended = phase == "Succeeded" || phase == "Failed";
  return !ended && (!pod.status().pod_ip().empty() || pod.status().pod_ips_size() > 0);
}

wire::Workload make_workload(const k8s::Pod& pod, const Labels& labels, const k8s::Node* node,
                             const policy::PolicySet& policies, const CompileSettings& settings) {
  const auto ns = pod.metadata().namespace_().empty() ? "default" : pod.metadata().namespace_();
  wire::Workload out;
  out.set_uid(settings.cluster_id + "//Pod/" + ns + "/" + pod.metadata().name());
  out.set_name(pod.metadata().name());
  out.set_namespace_(ns);
  set_addresses(pod, out);
  out.set_network(settings.network);
  set_tunnel(pod, policies.mtls_for(ns, labels), out);
  out.set_trust_domain(settings.trust_domain);
  out.set_service_account(account_of(pod.spec()));
  out.set_node(pod.spec().node_name());
  set_owner(pod, labels, out);
  out.set_canonical_name(label(labels,
                               {"service.istio.io/canonical-name", "app.kubernetes.io/name", "app"},
                               out.workload_name()));
  out.set_canonical_revision(
      label(labels, {"service.istio.io/canonical-revision", "app.kubernetes.io/version", "version"},
            "latest"));
  for (auto& name : policies.names_for(ns, labels)) out.add_authorization_policies(name);
  out.set_status(is_ready(pod) ? wire::HEALTHY : wire::UNHEALTHY);
  out.set_cluster_id(settings.cluster_id);
  set_locality(node, out);
  if (pod.spec().host_network()) out.set_network_mode(wire::HOST_NETWORK);
  return out;
}

}  // namespace culvert::control
