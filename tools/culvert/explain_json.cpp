#include "culvert/explain_json.hpp"

#include "culvert/explain/words.hpp"
#include "culvert/mesh_json.hpp"

namespace culvert::cli {

Json result_json(const explain::Explanation& e) {
  return {{"outcome", explain::to_string(e.outcome)}, {"flag", e.flag}, {"reason", e.reason}};
}

Json branch_json(const explain::Branch& b, std::optional<bool> listening, const MeshModel& model) {
  Json out{{"endpoint", explain::endpoint_name(b)},
           {"path", explain::to_string(b.path)},
           {"next_hop", b.route.next_hop.to_string()},
           {"target", b.route.target.to_string()}};
  if (b.route.workload) out["ready"] = b.route.workload->healthy;
  if (b.arrival) out["arrival"] = explain::verdict_name(*b.arrival);
  if (b.delivery) out["delivery"] = explain::verdict_name(*b.delivery);
  if (b.asked) {
    out["source_identity"] = b.asked->source ? Json(b.asked->source->to_string()) : Json();
    out["source_ip"] = b.asked->source_ip.to_string();
    out["destination_identity"] = b.route.workload->identity().to_string();
  }
  out["policies"] = Json::array();
  for (const auto& check : b.policies)
    out["policies"].push_back({{"policy", check.policy->key()},
                               {"action", action_name(check.policy->action)},
                               {"matches", check.matches},
                               {"dry_run", check.policy->dry_run},
                               {"defined", model.policy_place(*check.policy)}});
  if (b.verdict)
    out["verdict"] = {{"allowed", b.verdict->allowed},
                      {"reason", mesh::to_string(b.verdict->reason)},
                      {"policy", b.verdict->policy},
                      {"waypoint", b.verdict->about}};
  if (b.route.via_waypoint) out["behind"] = Json::array();
  for (const auto& one : b.behind)
    out["behind"].push_back({{"endpoint", one.workload->ns + "/" + one.workload->name},
                             {"allowed", one.verdict.allowed},
                             {"reason", mesh::to_string(one.verdict.reason)},
                             {"policy", one.verdict.policy}});
  out["outcome"] = explain::to_string(b.outcome);
  out["flag"] = b.flag;
  out["reason"] = b.reason;
  if (listening) out["listening"] = *listening;
  return out;
}

}  // namespace culvert::cli
