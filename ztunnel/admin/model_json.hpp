// The mesh model as JSON, in the names and shapes of Istio's ztunnel (its serde forms, which
// `istioctl ztunnel-config` reads). Pure; any thread.
#pragma once

#include <nlohmann/json.hpp>

#include "culvert/mesh/snapshot.hpp"

namespace culvert::ztunnel {

nlohmann::json workload_json(const mesh::Workload& workload);
/// With its endpoints, which the snapshot has.
nlohmann::json service_json(const mesh::Service& service, const mesh::Snapshot& snapshot);
nlohmann::json policy_json(const mesh::Policy& policy);

}  // namespace culvert::ztunnel
