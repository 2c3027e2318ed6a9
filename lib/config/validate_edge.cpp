// What stands at the edges of the mesh: ServiceEntry, Istio's Gateway, and the Gateway API's
// Gateway as far as it starts a waypoint.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "culvert/base/ip.hpp"
#include "culvert/config/nearest.hpp"
#include "formats.hpp"
#include "gateway_api.pb.h"
#include "istio_objects.pb.h"
#include "networking_checks.hpp"
#include "validate.hpp"

namespace culvert::config {
namespace {

namespace v1 = ::istio::networking::v1alpha3;

const std::vector<std::string> kServiceProtocols = {
    "HTTP", "HTTP2", "GRPC", "GRPC-WEB", "HTTPS", "TLS", "TCP", "MONGO", "MYSQL", "REDIS", ""};
/// What one ServiceEntry may make of itself: hosts times endpoints times ports.
constexpr std::int64_t kMaxServiceEntry = 20'000;
const std::vector<std::string> kServerProtocols = {"HTTP", "HTTP2", "GRPC", "HTTPS",
                                                   "TLS",  "TCP",   "MONGO"};

void check_protocol(const std::string& protocol, const std::vector<std::string>& known,
                    const std::string& path, Findings& findings) {
  if (std::ranges::find(known, protocol) == known.end()) {
    findings.add(path, fmt::format("unknown protocol \"{}\"", protocol), nearest(protocol, known));
  }
}

void check_endpoint(const v1::WorkloadEntry& endpoint, const std::set<std::string>& ports,
                    const std::string& path, Findings& findings) {
  const auto ip = IpAddress::parse(endpoint.address());
  if (!ip) {
    findings.add(path + ".address", "must be an IP address");
  } else if (ip->is_loopback() || ip->is_unspecified() || ip->is_link_local()) {
    findings.add(path + ".address", "must not be a loopback, unspecified or link-local address");
  }
  for (const auto& [name, port] : endpoint.ports()) {
    if (!ports.contains(name)) {
      findings.add(fmt::format("{}.ports[\"{}\"]", path, name), "is no port of spec.ports",
                   nearest(name, {ports.begin(), ports.end()}));
    }
  }
  for (const auto& [key, value] : endpoint.labels()) {
    if (!is_label_key(key)) {
      findings.add(fmt::format("{}.labels[\"{}\"]", path, key), "is not a label name");
    }
  }
}

/// "NAMESPACE/HOST", "./HOST", "*/HOST" or HOST.
void check_server_host(std::string_view host, const std::string& path, Findings& findings) {
  const auto slash = host.find('/');
  if (slash != std::string_view::npos) {
    const auto ns = host.substr(0, slash);
    if (ns != "." && ns != "*" && !is_dns_label(ns)) {
      findings.add(path, "must be a namespace, \".\" or \"*\" before the \"/\"");
    }
    host.remove_prefix(slash + 1);
  }
  check_host(std::string(host), path, findings);
}

}  // namespace

void validate_service_entry(const api::istio::ServiceEntry& object, Findings& findings) {
  const auto& spec = object.spec();
  check_hosts(spec.hosts(), "spec.hosts", findings);
  for (int i = 0; i < spec.hosts_size(); ++i) {
    if (spec.hosts(i).starts_with('*')) {
      findings.add(at("spec.hosts", i), "must be one host: static endpoints have no wildcards");
    }
  }
  check_export_to(spec.export_to(), "spec.exportTo", findings);
  if (spec.ports_size() == 0) findings.add("spec.ports", "is required");
  std::set<std::string> names;
  std::set<std::uint32_t> numbers;
  for (int i = 0; i < spec.ports_size(); ++i) {
    const auto& port = spec.ports(i);
    const auto path = at("spec.ports", i);
    check_protocol(port.protocol(), kServiceProtocols, path + ".protocol", findings);
    if (!names.insert(port.name()).second) {
      findings.add(path + ".name", fmt::format("a second port named \"{}\"", port.name()));
    }
    if (!numbers.insert(port.number()).second) {
      findings.add(path + ".number", fmt::format("port {} is there twice", port.number()));
    }
  }
  for (int i = 0; i < spec.endpoints_size(); ++i) {
    check_endpoint(spec.endpoints(i), names, at("spec.endpoints", i), findings);
  }
  const auto made = std::int64_t{spec.hosts_size()} * std::max(1, spec.endpoints_size()) *
                    std::max(1, spec.ports_size());
  if (made > kMaxServiceEntry) {
    findings.add("spec",
                 fmt::format("hosts times endpoints times ports are {}, over the limit of {}", made,
                             kMaxServiceEntry));
  }
}

void validate_istio_gateway(const api::istio::Gateway& object, Findings& findings) {
  const auto& spec = object.spec();
  if (spec.selector().empty()) {
    findings.add("spec.selector", "is required: an empty one would select every pod");
  }
  for (int i = 0; i < spec.servers_size(); ++i) {
    const auto& server = spec.servers(i);
    const auto path = at("spec.servers", i);
    check_protocol(server.port().protocol(), kServerProtocols, path + ".port.protocol", findings);
    for (int j = 0; j < server.hosts_size(); ++j) {
      check_server_host(server.hosts(j), at(path + ".hosts", j), findings);
    }
  }
}

void validate_gateway(const api::gateway::Gateway& object, Findings& findings) {
  std::set<std::string> names;
  for (int i = 0; i < object.spec().listeners_size(); ++i) {
    const auto& listener = object.spec().listeners(i);
    if (!names.insert(listener.name()).second) {
      findings.add(at("spec.listeners", i) + ".name",
                   fmt::format("a second listener named \"{}\"", listener.name()));
    }
  }
}

}  // namespace culvert::config
