// GET /desired: what this agent wants its BPF maps to hold, to compare them with; POST /mend: makes
// them so now, as the regular check does in time. Runs on the admin server's threads.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "culvert/admin/http_server.hpp"
#include "culvert/base/ip.hpp"
#include "enrollment.hpp"

namespace culvert::agent {

struct DesiredContext {
  Enrollment& enrollment;
  std::uint16_t block_first;
  std::vector<IpPrefix> exclude_ranges;
  std::vector<std::uint16_t> exclude_ports;
};

/// {"block_first", "exclude_ranges", "exclude_ports", "pods": [{"uid", "namespace", "name",
///  "netns_cookie", "ips", "state"}]}. POST /mend answers {"mended": true} or 500 with the problem.
/// `context`'s references outlive the server that gets the routes.
std::vector<admin::Route> desired_routes(DesiredContext context);

}  // namespace culvert::agent
