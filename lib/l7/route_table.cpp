#include "culvert/l7/route_table.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "culvert/base/byte_words.hpp"
#include "match_index.hpp"
#include "read.hpp"

namespace culvert::l7 {
namespace {

/// "shop.example:8080" and "[::1]:80" without their port.
std::string_view without_port(std::string_view host) {
  if (!host.contains(':')) return host;
  const auto colon = host.rfind(':');
  if (colon == std::string_view::npos) return host;
  const auto bracket = host.rfind(']');
  if (bracket != std::string_view::npos) {
    return bracket < colon ? host.substr(0, colon) : host;
  }
  return host.find(':') == colon ? host.substr(0, colon) : host;  // bare IPv6 has several
}

bool is_lower(std::string_view text) {
  return !any_word(text, [](std::uint64_t word) { return has_between(word, 'A' - 1, 'Z' + 1); });
}

bool counts(const HostRoutes& routes, const TargetView& target, std::string_view ns) {
  return (routes.seen_by_all && target.rules_of == nullptr) ||
         std::ranges::any_of(routes.contributions,
                             [&](const Contribution& one) { return counts_for(one, target, ns); });
}

}  // namespace

HostRoutes::HostRoutes() = default;
HostRoutes::~HostRoutes() = default;

bool Visibility::includes(std::string_view ns) const {
  return all || std::ranges::find(namespaces, ns) != namespaces.end();
}

std::string Cluster::name() const {
  return fmt::format("outbound|{}|{}|{}", port, subset, host);
}

const Cluster* Upstream::find(std::uint16_t port, std::uint16_t arrived_at) const {
  if (port == 0 && ports.size() == 1) return ports[0].get();
  const auto wanted = port == 0 ? arrived_at : port;
  const auto found =
      std::ranges::lower_bound(ports, wanted, {}, [](const auto& c) { return c->port; });
  return found != ports.end() && (*found)->port == wanted ? found->get() : nullptr;
}

std::string_view plain_host(std::string_view host, std::string& storage) {
  auto name = without_port(host);
  if (!is_lower(name)) name = storage = lower_case(name);
  if (name.ends_with('.')) name.remove_suffix(1);  // the root of DNS, said aloud
  return name;
}

bool counts_for(const Contribution& one, const TargetView& target, std::string_view client_ns) {
  if (!one.visibility.includes(target.viewer.value_or(client_ns))) return false;
  if (target.rules_of == nullptr) return true;
  const std::string_view name = one.virtual_service;
  return target.rules_of->includes(name.substr(0, name.find('/')));
}

const HostRoutes* find_host(const RouteTable& table, const TargetView& target,
                            std::string_view client_ns) {
  const auto found = table.gateways.find(target.gateway);
  if (found == table.gateways.end()) return nullptr;
  const auto& routes = *found->second;
  std::string storage;
  const auto name = plain_host(target.host, storage);
  const auto exact = routes.exact.find(name);
  if (exact != routes.exact.end() && counts(*exact->second, target, client_ns))
    return exact->second.get();
  for (const auto& [suffix, one] : routes.suffixes) {
    const bool fits = name.size() > suffix.size() && name.ends_with(suffix);
    if (fits && counts(*one, target, client_ns)) return one.get();
  }
  return routes.any && counts(*routes.any, target, client_ns) ? routes.any.get() : nullptr;
}

}  // namespace culvert::l7
