// Gateways into pods: the replicas of a waypoint with their Service, and which Gateway of Istio's a
// pod is an edge of. Pure but for the last but one: how they are started anew (rollout.cpp).
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "lab/expand.hpp"
#include "lab/manifest.hpp"
#include "lab/model.hpp"
#include "lab/names.hpp"
#include "lab/state.hpp"

namespace culvert::lab {

inline constexpr const char* kWaypointProgram = "culvert-waypoint";
inline constexpr std::uint16_t kWaypointReadyPort = 15021;

/// A container of this image needs no command: "culvert-waypoint", with any registry and tag.
bool is_waypoint_image(const std::string& image);
/// Its readiness, on kWaypointReadyPort.
Probe waypoint_probe();

/// Notes a Gateway of either group, or a GatewayClass of ours. One that is not valid is left to
/// control to report; a wrong number of replicas is a problem of the manifest.
void read_gateway(const Document& document, const std::string& folder, Manifest& out);
/// All that are known after `wanted` came to what is `running`.
void remember_gateways(const Manifest& wanted, const Placement& running, Placement& out);

/// The pod NAME-NUMBER of a waypoint.
Pod waypoint_replica(const Gateway& gateway, unsigned number);
/// Adds the pods NAME-1 to NAME-n and the Service NAME of each Gateway that is now a waypoint,
/// unless the manifest has a Service of that name itself. A lab without a mesh has neither, nor
/// edges.
void add_waypoints(Manifest& wanted, const Placement& running, bool mesh);
/// Gateways whose pods `add_waypoints` has listed in full: others of theirs are surplus.
std::vector<std::string> listed_waypoints(const Manifest& wanted, const Placement& running);

/// The Gateway that a pod with a container of kWaypointProgram serves as an edge: the first, by
/// name, whose selector matches; null when it is no such pod, a waypoint's, or none matches.
const EdgeGateway* edge_for(const Pod& pod, const std::vector<EdgeGateway>& edges);
bool is_waypoint(const Pod& pod);  // has such a container and is no edge
bool is_waypoint_service(const Service& service);
/// "NS/NAME PORTS": what an edge has to be started anew for when it differs.
std::string edge_text(const EdgeGateway& edge);
/// Sets `edge_of` of the pods to be, by the Gateways of the manifest and the lab; a problem for one
/// that no Gateway selects.
Outcome<void> choose_edges(Manifest& wanted, const Placement& running);

/// The running pods of the waypoint "NS/NAME" (or NAME in the namespace default); a problem when
/// there are none.
Outcome<std::vector<Pod>> waypoint_pods(const LabState& state, const std::string& name);
/// Starts its pods anew without a moment in which none serves.
Outcome<void> restart_waypoint(const std::string& lab_name, const std::string& name,
                               std::chrono::seconds timeout);

/// What culvert-waypoint is told of the pod that it runs in.
std::vector<std::string> waypoint_flags(const LabNames& names, const Pod& pod,
                                        const std::vector<EdgeGateway>& edges);

}  // namespace culvert::lab
