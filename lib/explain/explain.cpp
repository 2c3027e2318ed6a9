#include "culvert/explain/explain.hpp"

#include <cerrno>
#include <set>

#include "behind_waypoint.hpp"
#include "follow.hpp"

namespace culvert::explain {
namespace {

constexpr const char* kConnectFlag = "CONNECT";

void end(Branch& branch, Outcome outcome, std::string flag, std::string reason) {
  branch.outcome = outcome;
  branch.flag = std::move(flag);
  branch.reason = std::move(reason);
}

std::vector<PolicyCheck> checks(const mesh::Snapshot& snapshot, const mesh::Workload& destination,
                                const mesh::Connection& asked) {
  std::vector<PolicyCheck> out;
  const auto add = [&](const mesh::PolicyPtr& policy) {
    out.push_back({policy, mesh::matches(*policy, asked)});
  };
  for (const auto& policy : snapshot.global_policies()) add(policy);
  for (const auto& policy : snapshot.namespace_policies(destination.ns)) add(policy);
  for (const auto& key : destination.policies)
    if (const auto policy = snapshot.policy(key)) add(policy);
  return out;
}

// Asks what its ztunnel asks: waypoint, then policies; false when refused.
bool judge(const Question& q, Branch& branch, std::optional<mesh::Identity> source,
           const IpAddress& source_ip) {
  const mesh::Workload& destination = *branch.route.workload;
  auto admission =
      mesh::admit(q.snapshot, destination,
                  mesh::Arriving{std::move(source), source_ip, branch.route.target, std::nullopt},
                  q.bypass_of ? q.bypass_of(destination) : mesh::WaypointBypass::kRefuse);
  branch.asked = std::move(admission.asked);
  branch.verdict = std::move(admission.verdict);
  // Who comes past the waypoint is refused before any policy is asked.
  if (branch.verdict->reason != mesh::Verdict::Reason::kWaypointOnly &&
      branch.verdict->reason != mesh::Verdict::Reason::kUnknownService) {
    branch.policies = checks(q.snapshot, destination, *branch.asked);
  }
  if (branch.verdict->allowed) return true;
  std::string why = mesh::in_words(*branch.verdict);
  if (!branch.verdict->policy.empty()) why += " " + branch.verdict->policy;
  end(branch, Outcome::kReset, "DENY", std::move(why));
  return false;
}

// ztunnel connects to the application from inside its pod.
void deliver(const Capture& pod, Branch& branch) {
  const SocketAddress& target = branch.route.target;
  branch.delivery = arrival_verdict(pod, target.ip, target);
  if (*branch.delivery == CV_PASSED_LOCAL)
    return end(branch, Outcome::kAnswered, "-", "the application gets the connection");
  end(branch, Outcome::kReset, kConnectFlag,
      "the port is one of the outbound block, which no application can serve");
}

// A plain connection at the destination's pod, from ztunnel or from the application itself.
void arrive_plain(const Question& q, Branch& branch, const IpAddress& from) {
  const bool by_ztunnel = branch.path == Path::kPlain;
  const Capture pod = q.capture_of(*branch.route.workload);
  if (!pod.enrolled)
    return end(branch, Outcome::kAnswered, "-",
               "the destination is not captured: it gets the connection");
  branch.arrival = arrival_verdict(pod, from, branch.route.target);
  if (*branch.arrival == CV_DROPPED_NO_LISTENER)
    return end(branch, by_ztunnel ? Outcome::kReset : Outcome::kRefused,
               by_ztunnel ? kConnectFlag : "-", "ztunnel has no listener in the destination's pod");
  if (*branch.arrival == CV_STEERED_HBONE)
    return end(branch, Outcome::kClosed, "TLS_FAILURE", "plain bytes at the tunnel's port");
  if (judge(q, branch, std::nullopt, from)) deliver(pod, branch);
}

void arrive_by_tunnel(const Question& q, Branch& branch, const IpAddress& from) {
  const Capture pod = q.capture_of(*branch.route.workload);
  if (!pod.enrolled)
    return end(branch, Outcome::kReset, kConnectFlag, "nobody answers at the tunnel's port there");
  branch.arrival = arrival_verdict(pod, from, branch.route.next_hop);
  if (*branch.arrival != CV_STEERED_HBONE)
    return end(branch, Outcome::kReset, kConnectFlag,
               "ztunnel has no listener in the destination's pod");
  if (branch.route.target.port == mesh::kHbonePort)
    return end(branch, Outcome::kReset, kConnectFlag,
               "a tunnel does not lead to the tunnel's own port");
  if (judge(q, branch, q.source->identity(), from)) deliver(pod, branch);
}

void arrive_joined(const Question& q, Branch& branch, const IpAddress& from) {
  const Capture pod = q.capture_of(*branch.route.workload);
  if (judge(q, branch, q.source->identity(), from)) deliver(pod, branch);
}

// What ztunnel does with a route, up to the application.
Branch follow(const Question& q, mesh::Route route) {
  Branch branch;
  branch.route = std::move(route);
  const mesh::Route& r = branch.route;
  const bool hbone = r.protocol == mesh::Route::Protocol::kHbone;
  const bool joined =
      mesh::joins_in_process(r, q.source->node, q.joins) && q.capture_of(*r.workload).enrolled;
  branch.path = joined ? Path::kJoined : hbone ? Path::kTunnel : Path::kPlain;
  const SocketAddress& reached = joined ? q.destination : r.next_hop;
  const auto from = q.source->address_for(reached.ip);
  if (!from || from->is_v4() != reached.ip.is_v4()) {
    end(branch, Outcome::kReset, kConnectFlag,
        "the source has no address of the endpoint's family");
    return branch;
  }
  if (r.via_waypoint) {
    pass_waypoint(q, *from, branch);
    return branch;
  }
  if (r.workload == nullptr) {
    end(branch, Outcome::kUnknown, "-", "it leaves the mesh, which knows no more of it");
    return branch;
  }
  joined  ? arrive_joined(q, branch, *from)
  : hbone ? arrive_by_tunnel(q, branch, *from)
          : arrive_plain(q, branch, *from);
  return branch;
}

// Not captured: the packets go where the address leads, and may be captured there.
void follow_uncaptured(const Question& q, Explanation& out) {
  const mesh::NetworkAddress address{q.source->network, q.destination.ip};
  Branch branch;
  branch.route.next_hop = branch.route.target = q.destination;
  branch.path = Path::kDirect;
  const auto from = q.source->address_for(q.destination.ip);
  const bool own = from && *from == q.destination.ip;
  if (own || q.destination.ip.is_loopback() || q.destination.ip.is_unspecified()) {
    branch.path = Path::kLocal;
    end(branch, Outcome::kAnswered, "-", "it stays in the pod");
  } else if ((out.service = q.snapshot.service_at(address, q.source->ns)) != nullptr) {
    end(branch, Outcome::kUnknown, "-",
        "a service's address, which only the mesh or kube-proxy can lead on");
  } else if (auto workload = q.snapshot.workload_at(address); workload == nullptr) {
    end(branch, Outcome::kUnknown, "-", "the mesh knows nobody at this address");
  } else if (!from || from->is_v4() != q.destination.ip.is_v4()) {
    end(branch, Outcome::kUnreachable, "-", "the source has no address of this family");
  } else {
    branch.route.protocol = mesh::Route::Protocol::kPlaintext;
    branch.route.workload = std::move(workload);
    arrive_plain(q, branch, *from);
  }
  out.branches.push_back(std::move(branch));
}

}  // namespace

// As many turns of the rotation as there are endpoints.
void follow_all(const Question& q, const NextRoute& next, const WantedRoute& wanted,
                Explanation& out) {
  mesh::RoundRobin rotation;
  std::set<std::pair<std::string, SocketAddress>> seen;
  while (true) {
    auto route = next(rotation);
    if (!route) {
      out.unroutable = route.error();
      out.outcome = Outcome::kReset;
      out.flag = error_info(route.error().code).log_flag;
      out.reason = route.error().to_string();
      return;
    }
    out.service = route->service;
    const std::string uid = route->workload ? route->workload->uid : "";
    if (!seen.emplace(uid, route->target).second) return;
    if (wanted && !wanted(*route)) continue;
    if (out.branches.size() == kMaxBranches) {
      out.more++;
    } else {
      out.branches.push_back(follow(q, std::move(*route)));
    }
  }
}

void sum_up(Explanation& out) {
  if (out.branches.empty()) return;
  const Branch& first = out.branches.front();
  out.outcome = first.outcome;
  out.flag = first.flag;
  out.reason = first.reason;
  for (const Branch& branch : out.branches) {
    if (branch.outcome == first.outcome && branch.flag == first.flag) {
      if (branch.reason != first.reason) out.reason = "each endpoint for its own reason";
      continue;
    }
    out.outcome = Outcome::kUnknown;
    out.flag = "varies";
    out.reason = "it depends on the endpoint whose turn it is";
    return;
  }
}

const char* to_string(Outcome outcome) {
  switch (outcome) {
    case Outcome::kAnswered:
      return "answered";
    case Outcome::kReset:
      return "reset";
    case Outcome::kClosed:
      return "closed";
    case Outcome::kRefused:
      return "refused";
    case Outcome::kUnreachable:
      return "unreachable";
    case Outcome::kUnknown:
      return "unknown";
  }
  return "";
}

const char* to_string(Path path) {
  switch (path) {
    case Path::kLocal:
      return "local";
    case Path::kDirect:
      return "direct";
    case Path::kPlain:
      return "plain";
    case Path::kTunnel:
      return "tunnel";
    case Path::kJoined:
      return "joined";
  }
  return "";
}

Explanation explain(const Question& q) {
  Explanation out;
  out.destination = q.destination;
  if (q.capture.enrolled) out.connect = connect_verdict(q.capture, q.destination);
  if (const int why = out.connect ? connect_errno(*out.connect) : 0; why != 0) {
    out.outcome = why == ENETUNREACH ? Outcome::kUnreachable : Outcome::kRefused;
    out.reason = verdict_text(*out.connect);
    return out;
  }
  out.captured = out.connect == CV_CONNECT_REDIRECTED;
  if (out.captured && !q.capture.listeners) {
    out.outcome = Outcome::kRefused;
    out.reason = "ztunnel has no listener in the source's pod";
    return out;
  }
  if (out.captured) {
    const auto next = [&](mesh::RoundRobin& rotation) {
      return mesh::resolve_destination(q.snapshot, q.destination, *q.source, rotation);
    };
    follow_all(q, next, nullptr, out);
  } else {
    follow_uncaptured(q, out);
  }
  sum_up(out);
  return out;
}

}  // namespace culvert::explain
