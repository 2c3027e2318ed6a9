#include "culvert/explain/destination.hpp"

#include <algorithm>
#include <charconv>
#include <set>

namespace culvert::explain {
namespace {

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (problem != std::errc{} || end != text.data() + text.size() || port == 0) return std::nullopt;
  return port;
}

// Of several addresses the one of the wished family, else the first.
std::optional<IpAddress> pick(const std::vector<IpAddress>& ips, bool prefer_v6) {
  const auto wished =
      std::ranges::find_if(ips, [&](const IpAddress& ip) { return ip.is_v4() != prefer_v6; });
  if (wished != ips.end()) return *wished;
  return ips.empty() ? std::nullopt : std::optional(ips.front());
}

std::vector<IpAddress> vips_of(const mesh::Service& service, const mesh::Workload& source) {
  std::vector<IpAddress> out;
  for (const auto& vip : service.vips)
    if (vip.network == source.network) out.push_back(vip.ip);
  return out;
}

std::unexpected<Unresolved> ask_port(const std::string& what,
                                     const std::set<std::uint16_t>& known) {
  Unresolved out{.text = "which port of " + what + "?", .candidates = {}, .port_missing = true};
  for (const auto port : known) out.candidates.push_back(std::to_string(port));
  return std::unexpected(std::move(out));
}

// The ports that services lead to on this pod.
std::set<std::uint16_t> served_ports(const mesh::Workload& pod) {
  std::set<std::uint16_t> out;
  for (const auto& [service, ports] : pod.services)
    for (const auto& port : ports)
      if (port.target_port != 0) out.insert(port.target_port);
  return out;
}

std::expected<Destination, Unresolved> to_pod(const mesh::WorkloadPtr& pod, const Target& target,
                                              bool prefer_v6) {
  const std::string name = pod->ns + "/" + pod->name;
  const auto ip = pick(pod->addresses, prefer_v6);
  if (!ip)
    return std::unexpected(
        Unresolved{.text = "pod " + name + " has no address yet", .candidates = {}});
  Destination out{.address = {*ip, target.port.value_or(0)}, .pod = pod, .service = {}, .note = {}};
  if (target.port) return out;
  const auto ports = served_ports(*pod);
  if (ports.size() != 1) return ask_port("pod " + name, ports);
  out.address.port = *ports.begin();
  out.note = "the port is the one that its services lead to";
  return out;
}

// As DNS answers for a service without an address of its own.
std::expected<Destination, Unresolved> to_headless(const mesh::Snapshot& snapshot,
                                                   const mesh::ServicePtr& service,
                                                   std::uint16_t port, bool prefer_v6) {
  for (const auto& endpoint : snapshot.endpoints(service->key())) {
    if (!endpoint.workload->healthy && !service->allow_unhealthy) continue;
    if (const auto ip = pick(endpoint.workload->addresses, prefer_v6))
      return Destination{.address = {*ip, port},
                         .pod = endpoint.workload,
                         .service = service,
                         .note =
                             "the service is headless: its name means its ready pods, of which "
                             "this is the first"};
  }
  return std::unexpected(
      Unresolved{.text = "service " + service->key() + " is headless and has no ready endpoint",
                 .candidates = {}});
}

std::expected<Destination, Unresolved> to_service(const mesh::Snapshot& snapshot,
                                                  const mesh::ServicePtr& service,
                                                  const mesh::Workload& source,
                                                  const Target& target, bool prefer_v6) {
  std::set<std::uint16_t> ports;
  for (const auto& port : service->ports) ports.insert(port.service_port);
  if (!target.port && ports.size() != 1) return ask_port("service " + service->key(), ports);
  const std::uint16_t port = target.port.value_or(ports.empty() ? 0 : *ports.begin());
  const auto ip = pick(vips_of(*service, source), prefer_v6);
  if (!ip) return to_headless(snapshot, service, port, prefer_v6);
  return Destination{.address = {*ip, port},
                     .pod = {},
                     .service = service,
                     .note = target.port ? "" : "the port is the service's only one"};
}

// "web" in the source's namespace; "web.shop", "web.shop.svc" and on up to the whole hostname.
bool is_called(const mesh::Service& service, const std::string& host,
               const mesh::Workload& source) {
  if (service.hostname == host) return true;
  if (host.find('.') == std::string::npos) return service.ns == source.ns && service.name == host;
  return service.hostname.starts_with(host + ".");
}

mesh::ServicePtr service_called(const mesh::Snapshot& snapshot, const std::string& host,
                                const mesh::Workload& source) {
  const auto slash = host.find('/');
  for (const auto& service : snapshot.services()) {
    if (slash == std::string::npos ? is_called(*service, host, source)
                                   : host == service->ns + "/" + service->name)
      return service;
  }
  return nullptr;
}

std::vector<std::string> all_names(const mesh::Snapshot& snapshot, bool qualified) {
  std::vector<std::string> out;
  for (const auto& s : snapshot.services())
    out.push_back(qualified ? s->ns + "/" + s->name : s->name + "." + s->ns);
  if (qualified)
    for (const auto& w : snapshot.workloads()) out.push_back(w->ns + "/" + w->name);
  std::ranges::sort(out);
  return out;
}

}  // namespace

std::optional<Target> parse_target(std::string_view text) {
  if (IpAddress::parse(text)) return Target{std::string(text), std::nullopt};
  Target out;
  std::string_view rest;
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    out.host = text.substr(1, end - 1);
    rest = text.substr(end + 1);
    if (!IpAddress::parse(out.host)) return std::nullopt;
  } else {
    out.host = text.substr(0, text.find(':'));
    rest = text.substr(out.host.size());
  }
  if (out.host.empty()) return std::nullopt;
  if (rest.empty()) return out;
  if (!rest.starts_with(':')) return std::nullopt;
  out.port = parse_port(rest.substr(1));
  return out.port ? std::optional(std::move(out)) : std::nullopt;
}

std::expected<Destination, Unresolved> find_destination(const mesh::Snapshot& snapshot,
                                                        const mesh::Workload& source,
                                                        const Target& target, bool prefer_v6) {
  if (const auto ip = IpAddress::parse(target.host)) {
    if (!target.port) return ask_port(target.host, {});
    return Destination{.address = {*ip, *target.port}, .pod = {}, .service = {}, .note = {}};
  }
  const auto slash = target.host.find('/');
  if (slash != std::string::npos) {
    const auto pod =
        snapshot.workload_named(target.host.substr(0, slash), target.host.substr(slash + 1));
    if (pod) return to_pod(pod, target, prefer_v6);
  }
  if (const auto service = service_called(snapshot, target.host, source))
    return to_service(snapshot, service, source, target, prefer_v6);
  return std::unexpected(Unresolved{.text = "nothing in the mesh is called " + target.host,
                                    .candidates = all_names(snapshot, slash != std::string::npos)});
}

}  // namespace culvert::explain
