// `culvert explain --path ...`: the part about an HTTP request, from options to an answer.
#pragma once

#include "culvert/explain/request.hpp"
#include "culvert/explain_report.hpp"
#include "culvert/l7/route_table.hpp"

namespace culvert::cli {

/// The routes that a waypoint of namespace `ns` has.
l7::RouteTablePtr compile_routes(const MeshModel& model, const std::string& ns);

/// "end-user: jason" as a name in lower case and a value; nullopt for what is no header.
std::optional<std::pair<std::string, std::string>> parse_header(const std::string& text);

/// What the waypoint in front of the report's destination, the service's or a pod's own, does with
/// the request that `options` name, and other waypoints that its rules lead to. A problem where
/// there is none.
lab::Outcome<explain::AtWaypoint> explain_http(const ExplainOptions& options,
                                               const MeshSource& source, const MeshModel& model,
                                               const explain::Question& of_client,
                                               const ExplainReport& report);

Json request_json(const explain::RequestAnswer& answer);

}  // namespace culvert::cli
