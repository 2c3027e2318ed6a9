// What an edge serves: the servers of a networking.istio.io Gateway, as far as they are HTTP.
// Values and decisions; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace culvert::l7 {

struct EdgeServer {
  std::uint16_t port = 0;
  /// In lower case: "shop.example", "*.shop.example", "*".
  std::vector<std::string> hosts;
  bool operator==(const EdgeServer&) const = default;
};

struct EdgeObject {
  std::string ns, name;
  std::vector<EdgeServer> servers;  // those that speak plain HTTP
  bool operator==(const EdgeObject&) const = default;
};

/// Whether a server at `port` takes requests to `host` (any case, perhaps with a port).
bool serves(const EdgeObject& edge, std::uint16_t port, std::string_view host);

}  // namespace culvert::l7
