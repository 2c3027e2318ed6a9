// Reads the objects that the lab runs out of YAML documents, and writes them again as it completed
// them (uid, addresses, node, conditions). Pure. The only place of the lab that knows YAML.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "culvert/base/diagnostic.hpp"
#include "lab/manifest.hpp"
#include "lab/model.hpp"

namespace culvert::lab {

/// Fills `document`'s apiVersion, kind, namespace and name; the diagnostic when it has none.
std::optional<Diagnostic> read_header(Document& document);

std::expected<Node, Diagnostic> read_node(const Document& document);
std::expected<Namespace, Diagnostic> read_namespace(const Document& document);
std::expected<Service, Diagnostic> read_service(const Document& document);
std::expected<Pod, Diagnostic> read_pod(const Document& document);
/// A pod a replica, named NAME-1, NAME-2, ..., each with the source of a Pod of its own.
std::expected<std::vector<Pod>, Diagnostic> read_deployment(const Document& document);

/// The objects as culvert-control reads them from the config folder, one YAML document each.
std::string render_node(const Node& node);
std::string render_pod(const Pod& pod, const Node& node);
std::string render_service(const Service& service);

}  // namespace culvert::lab
