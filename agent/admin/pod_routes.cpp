#include "pod_routes.hpp"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>

#include "answers.hpp"
#include "pod_json.hpp"

namespace culvert::agent {
namespace {

using Json = nlohmann::ordered_json;

const char* text(ZtunnelState state) {
  switch (state) {
    case ZtunnelState::kPending:
      return "pending";
    case ZtunnelState::kAcked:
      return "acked";
    case ZtunnelState::kFailed:
      return "failed";
  }
  return "";
}
int http_status(Fault fault) {
  switch (fault) {
    case Fault::kInvalid:
      return 400;
    case Fault::kConflict:
      return 409;
    case Fault::kFull:
      return 507;
    case Fault::kNode:
      return 500;
  }
  return 500;
}

admin::Response refusal(const Refusal& refused) {
  return admin::error_response(http_status(refused.fault), refused.problem.what,
                               refused.problem.next);
}

// wait_ms of the query; nullopt when it is no number within the bound.
std::optional<std::chrono::milliseconds> ack_wait(const admin::Request& request) {
  const auto found = request.query.find("wait_ms");
  if (found == request.query.end()) return kDefaultAckWait;
  unsigned value = 0;
  const char* end = found->second.data() + found->second.size();
  const auto [stop, problem] = std::from_chars(found->second.data(), end, value);
  if (problem != std::errc{} || stop != end || value > kMaxAckWait.count()) return std::nullopt;
  return std::chrono::milliseconds(value);
}

admin::Response post_pod(const PodRoutesContext& context, const admin::Request& request) {
  const auto wait = ack_wait(request);
  if (!wait)
    return admin::error_response(400, "wait_ms is no number of milliseconds", "use 0 to 60000");
  const auto spec = parse_pod(request.body);
  if (!spec) return admin::error_response(400, spec.error().what, spec.error().next);
  const auto pod = context.enrollment.enroll(*spec);
  context.pods_changed();
  if (!pod) return refusal(pod.error());
  const Handed handed = context.handover.wait(pod->spec.uid, *wait);
  Json body = {
      {"uid", pod->spec.uid}, {"netns_cookie", pod->netns_cookie}, {"ztunnel", text(handed.state)}};
  if (!handed.error.empty()) body["error"] = handed.error;
  return json_response(body);
}

admin::Response delete_pod(const PodRoutesContext& context, const admin::Request& request) {
  const auto removed = context.enrollment.remove(request.rest);
  context.pods_changed();
  if (!removed) return refusal(removed.error());
  return json_response({{"uid", request.rest}, {"removed", *removed}});
}

admin::Response list_sockets(const PodRoutesContext& context) {
  Json out = Json::array();
  for (const auto& [pod, sockets] : context.enrollment.past_ztunnel()) {
    Json row = {{"uid", pod.spec.uid},
                {"namespace", pod.spec.pod_namespace},
                {"name", pod.spec.name},
                {"sockets", Json::array()}};
    if (!sockets) row["error"] = sockets.error().what;
    for (const OlderSocket& socket : sockets.value_or(std::vector<OlderSocket>{}))
      row["sockets"].push_back({{"local", socket.local.to_string()},
                                {"remote", socket.remote.to_string()},
                                {"state", socket.state},
                                {"uid", socket.uid}});
    out.push_back(std::move(row));
  }
  return json_response(out);
}

admin::Response list_pods(const PodRoutesContext& context) {
  Json out = Json::array();
  for (const PodStatus& pod : context.enrollment.list()) {
    const PodSpec& spec = pod.pod.spec;
    const Handed handed = context.handover.state(spec.uid);
    std::vector<std::string> ips;
    for (const IpAddress& ip : spec.ips) ips.push_back(ip.to_string());
    out.push_back({{"uid", spec.uid},
                   {"namespace", spec.pod_namespace},
                   {"name", spec.name},
                   {"service_account", spec.service_account},
                   {"netns", spec.netns},
                   {"ips", ips},
                   {"netns_cookie", pod.pod.netns_cookie},
                   {"state", text(pod.state)},
                   {"ztunnel", text(handed.state)},
                   {"guard", spec.guard ? guard_mode_name(*spec.guard) : "default"},
                   {"error", pod.error.empty() ? handed.error : pod.error}});
  }
  return json_response(out);
}

}  // namespace

std::vector<admin::Route> pod_routes(PodRoutesContext context) {
  return {
      {"POST", "/pods", [context](const admin::Request& r) { return post_pod(context, r); }},
      {"DELETE", "/pods/*", [context](const admin::Request& r) { return delete_pod(context, r); }},
      {"GET", "/pods", [context](const admin::Request&) { return list_pods(context); }},
      {"GET", "/sockets", [context](const admin::Request&) { return list_sockets(context); }},
      {"GET", "/healthz/ready",
       [context](const admin::Request&) {
         if (!context.handover.complete()) {
           return admin::error_response(503, "the pods of the node are not taken up yet", "wait");
         }
         return json_response({{"ready", true},
                               {"ztunnel", context.handover.connected() ? "connected" : "away"},
                               {"pods", context.enrollment.list().size()},
                               {"full_maps", context.enrollment.full_maps()}});
       }},
  };
}

}  // namespace culvert::agent
