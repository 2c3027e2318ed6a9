#include "desired_routes.hpp"

#include <nlohmann/json.hpp>

#include "answers.hpp"

namespace culvert::agent {
namespace {

using Json = nlohmann::ordered_json;

admin::Response desired(const DesiredContext& context) {
  Json out{{"block_first", context.block_first},
           {"exclude_ranges", Json::array()},
           {"exclude_ports", context.exclude_ports},
           {"pods", Json::array()}};
  for (const IpPrefix& range : context.exclude_ranges)
    out["exclude_ranges"].push_back(range.to_string());
  for (const PodStatus& status : context.enrollment.list()) {
    const PodSpec& spec = status.pod.spec;
    Json ips = Json::array();
    for (const IpAddress& ip : spec.ips) ips.push_back(ip.to_string());
    out["pods"].push_back({{"uid", spec.uid},
                           {"namespace", spec.pod_namespace},
                           {"name", spec.name},
                           {"netns_cookie", status.pod.netns_cookie},
                           {"ips", std::move(ips)},
                           {"state", text(status.state)}});
  }
  return json_response(out);
}

admin::Response mend(const DesiredContext& context) {
  if (auto done = context.enrollment.mend(); !done)
    return admin::error_response(500, done.error().what, done.error().next);
  return json_response({{"mended", true}});
}

}  // namespace

std::vector<admin::Route> desired_routes(DesiredContext context) {
  return {
      {"GET", "/desired", [context](const admin::Request&) { return desired(context); }},
      {"POST", "/mend", [context](const admin::Request&) { return mend(context); }},
  };
}

}  // namespace culvert::agent
