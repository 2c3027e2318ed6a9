// Kubernetes' own rules between fields, as its API server enforces them, where Culvert relies on
// them.
#include <fmt/format.h>

#include <set>

#include "culvert/base/ip.hpp"
#include "kubernetes.pb.h"
#include "validate.hpp"

namespace culvert::config {
namespace {

namespace k8s = api::k8s;

template <class Containers>
void check_names_unique(const Containers& containers, const std::string& path,
                        std::set<std::string>& seen, Findings& findings) {
  for (int i = 0; i < containers.size(); ++i) {
    if (!containers[i].name().empty() && !seen.insert(containers[i].name()).second) {
      findings.add(fmt::format("{}[{}].name", path, i),
                   fmt::format("a second container named \"{}\"", containers[i].name()));
    }
  }
}

void check_probe(const k8s::Probe& probe, const std::string& path, Findings& findings) {
  const int handlers =
      probe.has_http_get() + probe.has_tcp_socket() + probe.has_exec() + probe.has_grpc();
  if (handlers != 1) {
    findings.add(path, "needs exactly one of httpGet, tcpSocket, exec and grpc");
  }
}

void check_port_names_unique(const k8s::ServiceSpec& spec, Findings& findings) {
  std::set<std::string> names;
  std::set<std::pair<int, std::string>> ports;
  for (int i = 0; i < spec.ports_size(); ++i) {
    const auto& port = spec.ports(i);
    const auto path = fmt::format("spec.ports[{}]", i);
    const auto protocol = port.protocol().empty() ? "TCP" : port.protocol();
    if (!ports.emplace(port.port(), protocol).second) {
      findings.add(path + ".port", fmt::format("port {} {} is there twice", port.port(), protocol));
    }
    if (spec.ports_size() > 1 && port.name().empty()) {
      findings.add(path + ".name", "is required when a service has several ports");
    } else if (!port.name().empty() && !names.insert(port.name()).second) {
      findings.add(path + ".name", fmt::format("a second port named \"{}\"", port.name()));
    }
  }
}

}  // namespace

void validate_pod_spec(const k8s::PodSpec& spec, const std::string& path, Findings& findings) {
  std::set<std::string> seen;
  check_names_unique(spec.init_containers(), path + ".initContainers", seen, findings);
  check_names_unique(spec.containers(), path + ".containers", seen, findings);
  for (int i = 0; i < spec.containers_size(); ++i) {
    const auto& container = spec.containers(i);
    const auto at = fmt::format("{}.containers[{}]", path, i);
    if (container.has_liveness_probe()) {
      check_probe(container.liveness_probe(), at + ".livenessProbe", findings);
    }
    if (container.has_readiness_probe()) {
      check_probe(container.readiness_probe(), at + ".readinessProbe", findings);
    }
    if (container.has_startup_probe()) {
      check_probe(container.startup_probe(), at + ".startupProbe", findings);
    }
  }
}

void validate_pod(const k8s::Pod& pod, Findings& findings) {
  validate_pod_spec(pod.spec(), "spec", findings);
}

void validate_deployment(const k8s::Deployment& deployment, Findings& findings) {
  const auto& spec = deployment.spec();
  validate_pod_spec(spec.template_().spec(), "spec.template.spec", findings);
  if (spec.has_replicas() && spec.replicas() < 0) {
    findings.add("spec.replicas", "must not be negative");
  }
  const auto& labels = spec.template_().metadata().labels();
  for (const auto& [key, value] : spec.selector().match_labels()) {
    auto it = labels.find(key);
    if (it == labels.end() || it->second != value) {
      findings.add(fmt::format("spec.selector.matchLabels[\"{}\"]", key),
                   "does not match the labels of spec.template");
    }
  }
}

void validate_service(const k8s::Service& service, Findings& findings) {
  const auto& spec = service.spec();
  if (spec.type() == "ExternalName") {
    if (spec.external_name().empty()) {
      findings.add("spec.externalName", "is required for the type ExternalName");
    }
    return;
  }
  if (spec.ports_size() == 0 && spec.cluster_ip() != "None") {
    findings.add("spec.ports", "is required");
  }
  check_port_names_unique(spec, findings);
  if (spec.cluster_ips_size() > 0 && !spec.cluster_ip().empty() &&
      spec.cluster_ips(0) != spec.cluster_ip()) {
    findings.add("spec.clusterIPs[0]", "must be the same as spec.clusterIP");
  }
  if (spec.cluster_ips_size() > 2) findings.add("spec.clusterIPs", "must not be more than two");
}

void validate_endpoint_slice(const k8s::EndpointSlice& slice, Findings& findings) {
  if (slice.address_type() == "FQDN") return;
  const bool wants_v4 = slice.address_type() == "IPv4";
  for (int i = 0; i < slice.endpoints_size(); ++i) {
    const auto& endpoint = slice.endpoints(i);
    for (int j = 0; j < endpoint.addresses_size(); ++j) {
      const auto ip = IpAddress::parse(endpoint.addresses(j));
      if (!ip || ip->is_v4() != wants_v4) {
        findings.add(fmt::format("endpoints[{}].addresses[{}]", i, j),
                     fmt::format("must be an {} address", slice.address_type()));
      } else if (ip->is_loopback() || ip->is_unspecified() || ip->is_link_local()) {
        findings.add(fmt::format("endpoints[{}].addresses[{}]", i, j),
                     "must not be a loopback, unspecified or link-local address");
      }
    }
  }
}

}  // namespace culvert::config
