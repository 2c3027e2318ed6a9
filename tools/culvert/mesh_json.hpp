// Workloads, services and policies as documents for -o json|yaml. Pure.
#pragma once

#include "culvert/mesh/snapshot.hpp"
#include "culvert/yaml_output.hpp"

namespace culvert::cli {

Json workload_json(const mesh::Workload& workload);
/// With its endpoints, ready or not.
Json service_json(const mesh::Snapshot& snapshot, const mesh::Service& service);
/// With its rules in full.
Json policy_json(const mesh::Policy& policy);

/// "HBONE", or "TCP", or "HBONE but 8080,9090", or "TCP but 8080".
std::string protocol_words(const mesh::Workload& workload);
const char* scope_name(mesh::Policy::Scope scope);
const char* action_name(mesh::Policy::Action action);
/// One rule in words: `from principal cluster.local/ns/shop/sa/web, to port 8080`.
std::string rule_words(const mesh::Rule& rule);

}  // namespace culvert::cli
