#include "culvert/explain/words.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "follow.hpp"

namespace culvert::explain {
namespace {

std::string name_of(const mesh::Workload& w) {
  return w.ns + "/" + w.name;
}
ObjectRef pod_ref(const mesh::Workload& w) {
  return {"Pod", w.ns, w.name};
}
ObjectRef service_ref(const mesh::Service& s) {
  return {"Service", s.ns, s.name};
}

Step capture_step(const Question& q, const Explanation& e) {
  Step step{.name = "capture", .objects = {pod_ref(*q.source)}};
  if (!e.connect) {
    step.text = fmt::format("pod {} is not in the mesh: no hook touches its connections",
                            name_of(*q.source));
  } else if (const int why = connect_errno(*e.connect); why != 0) {
    step.text =
        fmt::format("connect() of {} fails, {}", name_of(*q.source), verdict_text(*e.connect));
  } else {
    step.text = fmt::format("connect() of {} is {} ({})", name_of(*q.source),
                            e.captured ? "redirected to ztunnel in the pod" : "left alone",
                            verdict_text(*e.connect));
  }
  return step;
}

Step destination_step(const Question& q, const Explanation& e) {
  const std::string address = q.destination.to_string();
  Step step{.name = "destination"};
  if (e.service) {
    step.text =
        fmt::format("{} is an address of service {}/{}", address, e.service->ns, e.service->name);
    step.objects.push_back(service_ref(*e.service));
    return step;
  }
  const auto workload = q.snapshot.workload_at({q.source->network, q.destination.ip});
  if (workload) {
    step.text = fmt::format("{} is {}", address, name_of(*workload));
    step.objects.push_back(pod_ref(*workload));
  } else {
    step.text = fmt::format("{} is nobody that the mesh knows", address);
  }
  return step;
}

Step endpoints_step(const Question& q, const Explanation& e) {
  Step step{.name = "endpoints"};
  std::vector<std::string> all;
  std::size_t ready = 0;
  for (const auto& endpoint : q.snapshot.endpoints(e.service->key())) {
    const auto& w = *endpoint.workload;
    if (w.healthy) ready++;
    all.push_back(name_of(w) + (w.healthy ? "" : " (not ready)"));
    step.objects.push_back(pod_ref(w));
  }
  step.text = all.empty()
                  ? "it has none"
                  : fmt::format("{} of {} ready: {}{}", ready, all.size(), fmt::join(all, ", "),
                                e.branches.size() > 1 ? "; they take turns" : "");
  return step;
}

// The waypoint in front of what was addressed; nullopt when there is none, or for its own pods.
std::optional<Step> waypoint_step(const Question& q) {
  const mesh::NetworkAddress address{q.source->network, q.destination.ip};
  const auto service = q.snapshot.service_at(address, q.source->ns);
  const auto workload = service ? nullptr : q.snapshot.workload_at(address);
  const auto* gateway = service && service->waypoint     ? &*service->waypoint
                        : workload && workload->waypoint ? &*workload->waypoint
                                                         : nullptr;
  if (gateway == nullptr) return std::nullopt;
  const auto replicas =
      mesh::waypoint_workloads(q.snapshot, mesh::find_waypoint(q.snapshot, *gateway, q.source->ns));
  Step step{.name = "waypoint"};
  std::vector<std::string> names;
  for (const auto& w : replicas) {
    if (w->uid == q.source->uid) return std::nullopt;
    names.push_back(name_of(*w) + (w->healthy ? "" : " (not ready)"));
    step.objects.push_back(pod_ref(*w));
  }
  step.text = fmt::format(
      "{} is in front: {}; what is behind it admits nobody else", mesh::waypoint_name(*gateway),
      names.empty() ? "it has no workload" : fmt::format("{}", fmt::join(names, ", ")));
  return step;
}

Step path_step(const Question& q, const Branch& b) {
  Step step{.name = "path"};
  const std::string to = endpoint_name(b);
  switch (b.path) {
    case Path::kLocal:
      step.text = "inside the pod";
      break;
    case Path::kDirect:
      step.text = fmt::format("by itself, in plain TCP, to {}", to);
      break;
    case Path::kPlain:
      step.text =
          fmt::format("plain TCP from ztunnel to {} at {}", to, b.route.next_hop.to_string());
      break;
    case Path::kTunnel:
      step.text =
          fmt::format("HBONE tunnel to {} at {}, CONNECT {}{}", to, b.route.next_hop.to_string(),
                      b.route.target.to_string(), b.route.via_waypoint ? ", a waypoint" : "");
      break;
    case Path::kJoined:
      step.text = fmt::format("joined in process to {} at {}: both are on node {}", to,
                              b.route.target.to_string(), q.source->node);
      break;
  }
  if (b.route.workload) step.objects.push_back(pod_ref(*b.route.workload));
  return step;
}

Step identity_step(const mesh::Connection& asked, const Branch& b) {
  const std::string from = asked.source_ip.to_string(),
                    to = b.route.workload->identity().to_string();
  if (!asked.source)
    return {.name = "identity",
            .text = fmt::format("from {}, for plain TCP has no identity, to {}", from, to)};
  return {.name = "identity",
          .text = fmt::format("from {} at {} to {}", asked.source->to_string(), from, to)};
}

Step policy_step(const PolicyCheck& check, const mesh::Verdict& verdict) {
  const mesh::Policy& p = *check.policy;
  const bool deny = p.action == mesh::Policy::Action::kDeny;
  const bool decides = !p.dry_run && check.matches && verdict.policy == p.key();
  std::string_view says = check.matches ? "matches" : "does not match";
  return {.name = "policy",
          .text = fmt::format("{} {} {}{}{}", deny ? "DENY" : "ALLOW", p.key(), says,
                              p.dry_run ? " (dry run: never decides)" : "",
                              decides ? ", and decides" : ""),
          .objects = {{"Policy", p.ns, p.name}}};
}

/// What those behind a waypoint say.
void behind_steps(const Branch& b, std::vector<Step>& out) {
  for (const auto& one : b.behind) {
    Step step{.name = "behind",
              .text = fmt::format("{} {}: {}{}{}", name_of(*one.workload),
                                  one.verdict.allowed ? "admits it" : "refuses it",
                                  mesh::in_words(one.verdict),
                                  one.verdict.policy.empty() ? "" : " ", one.verdict.policy),
              .objects = {pod_ref(*one.workload)}};
    out.push_back(std::move(step));
  }
}

Step decision_step(const Branch& b) {
  Step step{.name = "decision"};
  if (b.route.via_waypoint) {
    step.text = fmt::format("{}: {}", to_string(b.outcome), b.reason);
    return step;
  }
  if (!b.verdict) {
    step.text = fmt::format("{}: {}", to_string(b.outcome), b.reason);
    return step;
  }
  std::string_view why;
  switch (b.verdict->reason) {
    case mesh::Verdict::Reason::kNoPolicy:
      why = "allowed: no ALLOW policy concerns the destination, no DENY matches";
      break;
    case mesh::Verdict::Reason::kAllowed:
      why = "allowed by";
      break;
    case mesh::Verdict::Reason::kDenied:
      why = "refused by";
      break;
    case mesh::Verdict::Reason::kNotAllowed:
      why = "refused: there are ALLOW policies and none matches; the log names";
      break;
    case mesh::Verdict::Reason::kUnknownPolicy:
      why = "refused: the destination names a policy that is not known,";
      break;
    case mesh::Verdict::Reason::kWaypointOnly:
      step.text = fmt::format("refused: the port admits only its waypoint {}", b.verdict->about);
      return step;
    case mesh::Verdict::Reason::kUnknownService:
      step.text = fmt::format("refused: service {} leads to the port and is not known yet",
                              b.verdict->about);
      return step;
  }
  const std::string& policy = b.verdict->policy;
  step.text = fmt::format("{}{}{}", why, policy.empty() ? "" : " ", policy);
  if (b.verdict->allowed && b.outcome != Outcome::kAnswered)
    step.text += fmt::format("; but {}: {}", to_string(b.outcome), b.reason);
  const auto slash = policy.find('/');
  if (slash != std::string::npos)
    step.objects.push_back({"Policy", policy.substr(0, slash), policy.substr(slash + 1)});
  return step;
}

}  // namespace

void branch_steps(const Question& q, const Branch& b, const std::string& endpoint,
                  std::vector<Step>& out) {
  const std::size_t first = out.size();
  out.push_back(path_step(q, b));
  if (b.arrival) {
    Step step{.name = "arrival", .text = verdict_text(*b.arrival)};
    if (b.route.workload) step.objects.push_back(pod_ref(*b.route.workload));
    out.push_back(std::move(step));
  }
  if (b.asked) out.push_back(identity_step(*b.asked, b));
  for (const PolicyCheck& check : b.policies) out.push_back(policy_step(check, *b.verdict));
  behind_steps(b, out);
  out.push_back(decision_step(b));
  for (std::size_t i = first; i < out.size(); ++i) out[i].endpoint = endpoint;
}

std::string endpoint_name(const Branch& branch) {
  return branch.route.workload ? name_of(*branch.route.workload)
                               : branch.route.next_hop.to_string();
}

std::vector<Step> in_words(const Question& q, const Explanation& e) {
  std::vector<Step> out{capture_step(q, e), destination_step(q, e)};
  if (e.service) out.push_back(endpoints_step(q, e));
  if (e.captured) {
    if (auto step = waypoint_step(q)) out.push_back(std::move(*step));
  }
  if (e.unroutable)
    out.push_back(
        {.name = "decision", .text = fmt::format("refused: {}", e.unroutable->to_string())});
  for (const Branch& b : e.branches)
    branch_steps(q, b, e.branches.size() > 1 ? endpoint_name(b) : "", out);
  if (e.more > 0)
    out.push_back(
        {.name = "endpoints", .text = fmt::format("{} more endpoints are not followed", e.more)});
  return out;
}

}  // namespace culvert::explain
