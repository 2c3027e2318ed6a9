// The report of `culvert explain` for programs and for people.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "culvert/explain_edge.hpp"
#include "culvert/explain_json.hpp"
#include "culvert/explain_report.hpp"
#include "culvert/explain_request.hpp"
#include "culvert/mesh_json.hpp"
#include "culvert/terminal.hpp"

namespace culvert::cli {
namespace {

constexpr std::string_view kConverted = "converted_peer_authentication_";

// Where an object that a step speaks of is written.
std::string place_of(const explain::ObjectRef& ref, const MeshModel& model) {
  if (ref.kind != "Policy") return model.place(ref.kind, ref.ns, ref.name);
  const auto policy = model.snapshot->policy(ref.ns + "/" + ref.name);
  return policy ? model.policy_place(*policy) : std::string();
}

// The API object behind a policy: control makes policies of PeerAuthentications too.
explain::ObjectRef api_object(explain::ObjectRef ref) {
  if (ref.kind != "Policy") return ref;
  const bool converted = ref.name.starts_with(kConverted);
  ref.kind = converted || ref.name == "istio_converted_static_strict" ? "PeerAuthentication"
                                                                      : "AuthorizationPolicy";
  if (converted) ref.name = ref.name.substr(kConverted.size());
  return ref;
}

Json step_json(const explain::Step& step, const MeshModel& model) {
  Json out{{"step", step.name}, {"text", step.text}};
  if (!step.endpoint.empty()) out["endpoint"] = step.endpoint;
  out["objects"] = Json::array();
  for (const auto& ref : step.objects) {
    const auto object = api_object(ref);
    out["objects"].push_back({{"kind", object.kind},
                              {"namespace", object.ns},
                              {"name", object.name},
                              {"defined", place_of(ref, model)}});
  }
  return out;
}

Json recent_json(const RecentConnection& r) {
  return {{"time", r.time},
          {"node", r.node},
          {"direction", r.direction},
          {"endpoint", r.endpoint},
          {"path", explain::to_string(r.path)},
          {"refused", r.refused},
          {"stale", r.stale},
          {"error", r.error},
          {"policy", r.policy}};
}

// The object that a step is about, where it is written: only what decides is worth the space.
std::string place_note(const explain::Step& step, const MeshModel& model) {
  if (step.name == "endpoints" || step.name == "arrival") return {};
  for (const auto& ref : step.objects)
    if (std::string place = place_of(ref, model); !place.empty())
      return fmt::format("  [{}]", place);
  return {};
}

std::string outcome_words(const explain::Explanation& e) {
  const Color color = e.outcome == explain::Outcome::kAnswered  ? Color::kGreen
                      : e.outcome == explain::Outcome::kUnknown ? Color::kYellow
                                                                : Color::kRed;
  return fmt::format("{}: {} (flag {})", colored(explain::to_string(e.outcome), color), e.reason,
                     e.flag);
}

void observed_text(const ExplainReport& r, std::string& out) {
  const auto row = [&out](std::string_view name, const std::string& text) {
    out += fmt::format("{:<14}{}\n", name, text);
  };
  if (r.observed) row("kernel", fmt::format("its maps lead to: {}", outcome_words(*r.observed)));
  for (std::size_t i = 0; i < r.listening.size(); ++i) {
    const auto& b = r.predicted.branches[i];
    if (r.listening[i])
      row("listener",
          fmt::format("{} at {} in {}", *r.listening[i] ? "somebody listens" : "nobody listens",
                      (b.route.via_waypoint ? b.route.next_hop : b.route.target).to_string(),
                      explain::endpoint_name(b)));
  }
  for (const OpenConnections& open : r.open) row("open now", open_words(open));
  for (const RecentConnection& c : r.recent)
    row("recent",
        fmt::format("{} {} on {} to {} by {}{}: {}", c.time, c.direction, c.node, c.endpoint,
                    explain::to_string(c.path), c.stale ? ", before the configuration changed" : "",
                    c.refused ? c.error + (c.policy.empty() ? "" : " " + c.policy) : "complete"));
  for (const std::string& note : r.notes) row("note", note);
  for (const std::string& line : r.differences) row("difference", colored(line, Color::kYellow));
  if (r.differences.empty()) row("differences", "none");
}

}  // namespace

Json report_json(const ExplainReport& r, const MeshModel& model) {
  const explain::Explanation& e = r.predicted;
  Json out{{"from", r.source->ns + "/" + r.source->name},
           {"to", e.destination.to_string()},
           {"result", result_json(e)},
           {"captured", e.captured},
           {"connect", e.connect ? Json(explain::verdict_name(*e.connect)) : Json()},
           {"service", e.service ? Json(e.service->ns + "/" + e.service->name) : Json()},
           {"branches", Json::array()},
           {"steps", Json::array()}};
  for (std::size_t i = 0; i < e.branches.size(); ++i)
    out["branches"].push_back(branch_json(e.branches[i], r.listening[i], model));
  for (const auto& step : r.steps) out["steps"].push_back(step_json(step, model));
  if (r.request) out["request"] = request_json(*r.request);
  if (r.request && !r.edge) out["ways"] = ways_json(r.ways, model);
  if (r.edge) out["edge"] = edge_json(*r.edge, *r.edge_pod, model);
  out["kernel"] = r.observed ? result_json(*r.observed) : Json();
  out["configured_at"] = r.configured_at;
  out["open"] = Json::array();
  for (const auto& open : r.open) out["open"].push_back(open_json(open));
  out["recent"] = Json::array();
  for (const auto& recent : r.recent) out["recent"].push_back(recent_json(recent));
  out["notes"] = r.notes;
  out["differences"] = r.differences;
  return out;
}

std::string report_text(const ExplainReport& r, const MeshModel& model) {
  std::string out = fmt::format("{}/{} to {}\n\n", r.source->ns, r.source->name,
                                r.predicted.destination.to_string());
  std::string endpoint;
  for (const auto& step : r.steps) {
    if (step.endpoint != endpoint && !step.endpoint.empty())
      out += fmt::format("to {}:\n", colored(step.endpoint, Color::kBold));
    endpoint = step.endpoint;
    out += fmt::format("{}{:<14}{}{}\n", endpoint.empty() ? "" : "  ", step.name, step.text,
                       place_note(step, model));
  }
  out += fmt::format("{:<14}{}\n\n", "result", outcome_words(r.predicted));
  observed_text(r, out);
  return out;
}

}  // namespace culvert::cli
