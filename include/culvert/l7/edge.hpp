// What an edge serves: the servers of the networking.istio.io Gateways that select it, as far as
// they are HTTP. Values and decisions; any thread.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "culvert/l7/choose_route.hpp"

namespace culvert::l7 {

/// Of servers[].hosts: "shop/www.example", "./www.example", "*/www.example" or "www.example".
struct EdgeHost {
  std::string rules_of;  // the namespace whose VirtualServices count; "*": everybody's
  std::string host;      // in lower case: "shop.example", "*.shop.example", "*"
  bool operator==(const EdgeHost&) const = default;
};

struct EdgeServer {
  std::uint16_t port = 0;
  std::vector<EdgeHost> hosts;
  bool operator==(const EdgeServer&) const = default;
};

struct EdgeObject {
  std::string key;                              // "NAMESPACE/NAME"
  std::map<std::string, std::string> selector;  // of the pods that serve it; never empty
  std::vector<EdgeServer> servers;              // those that speak plain HTTP
  bool operator==(const EdgeObject&) const = default;
};

/// Whether a pod with these labels serves it.
bool selects(const EdgeObject& edge, const std::map<std::string, std::string>& labels);

/// Whose VirtualServices count for a request to `host` (any case, perhaps with a port) at `port`;
/// nobody's: no server there takes it.
Visibility rules_for(const EdgeObject& edge, std::uint16_t port, std::string_view host);

/// choose_route() for a request that arrived at target.port for target.host, where several Gateways
/// may be served: that one decides whose rules name the host most specifically; of equals the first
/// (by key) with a rule that matches. kNoHost where no server takes it. Sets target.gateway.
/// `edges`, in the order of their keys, must live as long as `target`. With an `explanation` it is
/// told what was asked, as by choose_route().
Decision choose_at_edge(const RouteTable& table, std::span<const EdgeObject> edges,
                        TargetView& target, const RequestView& request, const ClientView& client,
                        Random& random, Explanation* explanation = nullptr);

}  // namespace culvert::l7
