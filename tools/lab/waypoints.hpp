// Gateways into pods: the replicas of a waypoint with their Service, and which pods are edges. Pure
// but for the last but one: how they are started anew (rollout.cpp).
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

bool is_proxy(const Pod& pod);     // has a container of kWaypointProgram: a waypoint's or an edge's
bool is_waypoint(const Pod& pod);  // has such a container and is no edge
bool is_waypoint_service(const Service& service);

/// The running pods of the waypoint "NS/NAME" (or NAME in the namespace default); a problem when
/// there are none.
Outcome<std::vector<Pod>> waypoint_pods(const LabState& state, const std::string& name);
/// Starts its pods anew without a moment in which none serves.
Outcome<void> restart_waypoint(const std::string& lab_name, const std::string& name,
                               std::chrono::seconds timeout);

/// The same for one pod of a waypoint, or for an edge, which has no stand-in.
Outcome<void> restart_proxy_pod(const std::string& lab_name, const std::string& pod,
                                std::chrono::seconds timeout);

/// What culvert-waypoint is told of the pod that it runs in.
std::vector<std::string> waypoint_flags(const Pod& pod);

}  // namespace culvert::lab
