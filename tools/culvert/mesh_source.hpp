// Where the CLI's commands read a mesh: a lab's control, agents and ztunnels by their admin APIs,
// and its nodes' pins. Single-threaded: it enters network namespaces.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "culvert/maps_read.hpp"
#include "culvert/yaml_output.hpp"
#include "lab/problem.hpp"
#include "lab/state.hpp"

namespace culvert::cli {

/// A node's ztunnel that takes new connections (MeshSource::all_ztunnels).
inline constexpr const char* kServing = "serving";

class MeshSource {
 public:
  /// A problem for an unknown lab, and for one without the mesh.
  static lab::Outcome<MeshSource> open(const std::string& lab_name);

  const lab::LabState& state() const { return state_; }
  /// All nodes, or the one named; a problem with the nearest name when there is no such node.
  lab::Outcome<std::vector<std::string>> nodes(const std::string& only) const;

  /// GETs of the parts' admin APIs, as JSON; a problem when nobody answers or refuses.
  lab::Outcome<Json> control(const std::string& target) const;
  lab::Outcome<Json> agent(const std::string& node, const std::string& target) const;
  lab::Outcome<Json> ztunnel(const std::string& node, const std::string& target) const;
  /// The same answer of each ztunnel of a node: "serving", and "draining PID" for those that carry
  /// what they had when a successor came. One that ends meanwhile is left out.
  lab::Outcome<std::vector<std::pair<std::string, Json>>> all_ztunnels(
      const std::string& node, const std::string& target) const;
  /// GET of the waypoint in a pod ("NAMESPACE/NAME"), as text.
  lab::Outcome<std::string> waypoint_page(const std::string& pod, const std::string& target) const;
  /// POST without a body to a node's agent.
  lab::Outcome<Json> post_agent(const std::string& node, const std::string& target) const;

  NodePins pins(const std::string& node) const;
  std::string ztunnel_log(const std::string& node) const;
  /// When the configuration was last written, in the form of the logs' times (RFC 3339, UTC,
  /// microseconds); empty when that is not known.
  std::string configured_at() const;
  /// How long ago that was.
  std::optional<std::chrono::milliseconds> configured_ago() const;
  /// A configuration file's name as its author knows it.
  std::string original_file(const std::string& file) const;

 private:
  std::optional<std::chrono::system_clock::time_point> last_written() const;
  explicit MeshSource(lab::LabState state) : state_(std::move(state)), names_(state_.name) {}

  lab::LabState state_;
  lab::LabNames names_;
};

/// "did you mean X?" for the nearest candidate, else `otherwise`.
std::string did_you_mean(const std::string& text, const std::vector<std::string>& candidates,
                         const std::string& otherwise);

}  // namespace culvert::cli
