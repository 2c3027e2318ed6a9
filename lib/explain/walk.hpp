// Follows one request from proxy to proxy, as far as rules lead it. Pure. Private to lib/explain.
#pragma once

#include "culvert/explain/way.hpp"
#include "decided.hpp"

namespace culvert::explain {

class Walk {
 public:
  /// All destinations of what an edge has decided.
  std::vector<Way> from_edge(const Proxy& edge, const Decided& decided);
  AtWaypoint at_waypoint(const Proxy& proxy, const AskedAtWaypoint& asked);

 private:
  /// The destination is part of `decided`, by `passed` proxies before this one.
  Way follow(const Proxy& proxy, const Decided& decided, std::size_t destination,
             std::uint32_t passed);
  void pass_waypoints(const Proxy& proxy, const Decided& decided, const l7::Decision& decision,
                      std::uint32_t passed, Way& way);

  std::size_t left_ = kMaxWays;
};

}  // namespace culvert::explain
