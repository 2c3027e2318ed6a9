#include "behind_waypoint.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace culvert::explain {
namespace {

bool is_http(mesh::AppProtocol protocol) {
  using enum mesh::AppProtocol;
  return protocol == kHttp11 || protocol == kHttp2 || protocol == kGrpc;
}

/// What is declared of the port that the waypoint is asked for.
mesh::AppProtocol declared(const mesh::ServicePtr& service, std::uint16_t port) {
  const auto* found = service ? service->find_port(port) : nullptr;
  return found ? found->protocol : mesh::AppProtocol::kUnknown;
}

/// Only the policies that select the waypoint itself are asked there.
mesh::Verdict own_verdict(const mesh::Snapshot& snapshot, const mesh::Workload& waypoint,
                          const mesh::Connection& connection) {
  mesh::Delta delta;
  for (const auto& key : waypoint.policies) {
    if (const auto policy = snapshot.policy(key)) delta.policies.push_back(*policy);
  }
  return mesh::authorize(*mesh::apply(mesh::Snapshot(), std::move(delta)), waypoint, connection);
}

/// Whom the waypoint may lead to, and where.
std::vector<mesh::ChosenEndpoint> destinations(const Question& q, const mesh::ServicePtr& service,
                                               const Branch& branch) {
  const auto& target = branch.route.target;
  std::vector<mesh::ChosenEndpoint> out;
  if (!service) {
    if (auto pod = q.snapshot.workload_at({q.source->network, target.ip})) {
      out.push_back({std::move(pod), target});
    }
    return out;
  }
  mesh::RoundRobin rotation;
  while (out.size() < kMaxBranches) {
    auto chosen = mesh::choose_endpoint(q.snapshot, *service, target.port, target.ip, rotation);
    if (!chosen) break;
    const bool seen = std::ranges::any_of(
        out, [&](const auto& one) { return one.workload->uid == chosen->workload->uid; });
    if (seen) break;
    out.push_back(std::move(*chosen));
  }
  return out;
}

mesh::Verdict verdict_behind(const Question& q, const mesh::ChosenEndpoint& to,
                             const mesh::Workload& waypoint, const IpAddress& client_ip) {
  const auto waypoint_ip = waypoint.address_for(to.address.ip).value_or(client_ip);
  mesh::Arriving arriving{waypoint.identity(), waypoint_ip, to.address,
                          mesh::Arriving::Claim{q.source->identity(), client_ip}};
  return mesh::admit(q.snapshot, *to.workload, std::move(arriving),
                     q.bypass_of ? q.bypass_of(*to.workload) : mesh::WaypointBypass::kRefuse)
      .verdict;
}

void finish(Branch& branch, Outcome outcome, std::string flag, std::string reason) {
  branch.outcome = outcome;
  branch.flag = std::move(flag);
  branch.reason = std::move(reason);
}

}  // namespace

void pass_waypoint(const Question& q, const IpAddress& from, Branch& branch) {
  const auto& waypoint = *branch.route.workload;
  // A pod's own waypoint is asked for the pod, by whichever service that was chosen.
  const auto service = branch.route.service && branch.route.service->waypoint ? branch.route.service
                                                                              : mesh::ServicePtr();
  branch.asked = mesh::Connection{
      .source = q.source->identity(), .source_ip = from, .destination = branch.route.target};
  branch.verdict = own_verdict(q.snapshot, waypoint, *branch.asked);
  if (!branch.verdict->allowed) {
    return finish(branch, Outcome::kReset, "DENY",
                  fmt::format("the waypoint's own policies refuse it: {} {}",
                              mesh::in_words(*branch.verdict), branch.verdict->policy));
  }
  for (auto& to : destinations(q, service, branch)) {
    auto verdict = verdict_behind(q, to, waypoint, from);
    branch.behind.push_back({std::move(to.workload), std::move(verdict)});
  }
  const auto port = branch.route.target.port;
  auto protocol = declared(service, port);
  if (!service) {
    const auto pod = q.snapshot.workload_at({q.source->network, branch.route.target.ip});
    if (pod) protocol = mesh::declared_protocol(q.snapshot, *pod, port);
  }
  if (is_http(protocol)) {
    return finish(branch, Outcome::kAnswered, "-",
                  "the waypoint takes it, and answers each request by its rules");
  }
  const auto allowed =
      std::ranges::count_if(branch.behind, [](const auto& one) { return one.verdict.allowed; });
  if (branch.behind.empty()) {
    return finish(branch, Outcome::kReset, "UH", "nobody behind the waypoint can take it");
  }
  if (static_cast<std::size_t>(allowed) == branch.behind.size()) {
    return finish(branch, Outcome::kAnswered, "-", "the waypoint leads it on");
  }
  if (allowed > 0) {
    return finish(branch, Outcome::kUnknown, "varies",
                  "it depends on the endpoint that the waypoint chooses");
  }
  finish(branch, Outcome::kReset, "DENY",
         "the waypoint leads it on, and the destination refuses it");
}

}  // namespace culvert::explain
