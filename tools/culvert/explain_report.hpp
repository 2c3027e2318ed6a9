// `culvert explain`: from what a person asks to a report, and its two forms.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "culvert/explain/destination.hpp"
#include "culvert/explain/edge.hpp"
#include "culvert/explain/request.hpp"
#include "culvert/explain/words.hpp"
#include "culvert/explain_observe.hpp"
#include "culvert/mesh_model.hpp"
#include "culvert/mesh_source.hpp"
#include "culvert/open_connections.hpp"

namespace culvert::cli {

struct ExplainOptions {
  std::string lab = "default", from, to, format = "table";
  bool prefer_v6 = false;
  // An HTTP request that need not exist; without path, headers and authority none is meant.
  std::string method = "GET", path, authority;
  std::vector<std::string> headers;  // "NAME: VALUE"
  bool asks_request() const { return !path.empty() || !headers.empty() || !authority.empty(); }
};

struct ExplainReport {
  mesh::WorkloadPtr source;
  explain::Destination destination;
  explain::Explanation predicted;                // from the configuration
  std::optional<explain::Explanation> observed;  // the same question to the kernel's maps
  std::vector<explain::Step> steps;              // of the prediction
  std::vector<std::optional<bool>> listening;    // for each branch of the prediction
  std::string configured_at;  // when the configuration was written; empty: not known
  std::vector<RecentConnection> recent;
  std::vector<OpenConnections> open;              // what ztunnels carry of it now
  std::vector<std::string> differences;           // between prediction and observation
  std::vector<std::string> notes;                 // what was assumed
  std::optional<explain::RequestAnswer> request;  // its steps stand in `steps` too
  std::vector<explain::Way> ways;           // of the request at a waypoint, to other waypoints
  std::optional<explain::EdgeAnswer> edge;  // where an edge takes it: `request` is its first
  mesh::WorkloadPtr edge_pod;               // stage then, and this its pod
};

/// A problem when the mesh cannot be read, or nothing has the names.
lab::Outcome<ExplainReport> make_report(const ExplainOptions& options, const MeshSource& source,
                                        const MeshModel& model);

Json report_json(const ExplainReport& report, const MeshModel& model);
std::string report_text(const ExplainReport& report, const MeshModel& model);

}  // namespace culvert::cli
