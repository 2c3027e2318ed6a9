// A compiled route table in words and as JSON. Pure.
#pragma once

#include <string>
#include <vector>

#include "culvert/l7/route_table.hpp"
#include "culvert/yaml_output.hpp"

namespace culvert::cli {

/// "uri prefix \"/api\", header end-user exact \"jason\""; "every request" when it asks for
/// nothing.
std::string match_words(const l7::RequestMatch* match);
/// Where it leads, in the order of its destinations: "reviews.shop... v1 90%, ... v2 10%", or the
/// redirect or answer; then what else it does ("timeout 2 s", "retries 3", ...).
std::string action_words(const l7::Rule& rule);

/// The hosts of a gateway: exact ones by name, wildcards longest first, "*" last.
std::vector<l7::HostRoutesPtr> hosts_of(const l7::GatewayRoutes& gateway);
Json host_json(const std::string& gateway, const l7::HostRoutes& host);

}  // namespace culvert::cli
