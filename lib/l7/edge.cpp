#include "culvert/l7/edge.hpp"

#include <algorithm>

#include "culvert/l7/route_table.hpp"

namespace culvert::l7 {
namespace {

// "*.shop.example" takes every name below it, and not that name itself.
bool takes(std::string_view pattern, std::string_view host) {
  if (pattern == "*") return true;
  if (!pattern.starts_with("*.")) return pattern == host;
  const auto suffix = pattern.substr(1);
  return host.size() > suffix.size() && host.ends_with(suffix);
}

}  // namespace

bool serves(const EdgeObject& edge, std::uint16_t port, std::string_view host) {
  std::string storage;
  const auto plain = plain_host(host, storage);
  return std::ranges::any_of(edge.servers, [&](const EdgeServer& server) {
    return server.port == port && std::ranges::any_of(server.hosts, [&](const std::string& one) {
             return takes(one, plain);
           });
  });
}

}  // namespace culvert::l7
