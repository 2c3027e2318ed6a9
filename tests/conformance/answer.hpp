// What a decision comes to, as JSON: what the tables of this folder compare.
#pragma once

#include <nlohmann/json.hpp>

#include "culvert/l7/apply.hpp"
#include "culvert/l7/choose_route.hpp"

namespace culvert::conformance {

/// A request of a table, with what it is asked by.
struct Asked {
  std::string method, path, scheme, authority, ns, gateway, host;
  std::vector<std::pair<std::string, std::string>> headers;
  std::map<std::string, std::string> labels;
  std::uint16_t port = 0;
  std::uint32_t times = 1;
};
Asked read_asked(const nlohmann::json& from);

/// One decision, and what it does to the request and to a response without headers.
nlohmann::json answer(const l7::RouteTable& table, const Asked& asked, l7::Random& random);
/// What the pods of one version do with the first requests that they get.
struct Script {
  std::string subset;
  std::uint32_t times = 0;
  std::uint16_t status = 0;  // 0: 200
  std::string header;        // of its answers, besides those that all have
  std::optional<std::uint32_t> grpc_status;
  std::chrono::milliseconds wait{0};
};
/// What the client gets, and after how many attempts, where each is decided by lib/l7.
nlohmann::json play(const l7::RouteTable& table, const Asked& asked, const Script& script,
                    l7::Random& random);
/// How often each outcome came of `asked.times` decisions.
nlohmann::json draws(const l7::RouteTable& table, const Asked& asked, l7::Random& random);

/// All fields of a policy by the names that DestinationRules give them, "tcp.maxConnections".
nlohmann::json policy_json(const l7::TrafficPolicy& policy);

/// The messages below VirtualService and DestinationRule, and what is not honoured of them.
nlohmann::json schema();

}  // namespace culvert::conformance
