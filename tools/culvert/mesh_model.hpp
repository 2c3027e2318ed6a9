// The mesh as control serves it now, in the model's own types: what a ztunnel that has
// acknowledged everything decides by.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "culvert/l7/edge.hpp"
#include "culvert/mesh/snapshot.hpp"
#include "culvert/mesh_source.hpp"

namespace culvert::cli {

struct MeshModel {
  mesh::SnapshotPtr snapshot;
  std::uint64_t generation = 0;
  std::vector<std::string> virtual_services, destination_rules;  // as they go to waypoints
  std::vector<l7::EdgeObject> edges;          // Gateways of Istio's, in the order of their keys
  std::map<std::string, std::string> places;  // "AuthorizationPolicy shop/deny" -> "deny.yaml:12"

  /// Where an object is written; empty when it is not known.
  std::string place(const std::string& kind, const std::string& ns, const std::string& name) const;
  /// The AuthorizationPolicy of this key or, for what control made of PeerAuthentications, those.
  std::string policy_place(const mesh::Policy& policy) const;
};

/// Reads control's GET /model, parsed as a ztunnel parses it.
lab::Outcome<MeshModel> load_model(const MeshSource& source);

}  // namespace culvert::cli
