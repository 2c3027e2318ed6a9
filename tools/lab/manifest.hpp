// A manifest is files of YAML documents. The lab runs some of them (Node, Pod, Deployment) and
// numbers others (Service); all the rest is configuration and is handed on verbatim, at its own
// lines. Reading is pure; read_source() touches the file system.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "culvert/base/diagnostic.hpp"
#include "lab/model.hpp"
#include "lab/problem.hpp"

namespace culvert::lab {

struct SourceFile {
  std::string path;    // as the user wrote it; "-" is standard input
  std::string folder;  // absolute; the default working directory of its pods
  std::string text;
};

struct Document {
  std::string file;
  int line = 1;  // of its first line in the file
  std::string text;
  std::string api_version;
  std::string kind;
  std::string ns;  // "default" when absent
  std::string name;

  /// "AuthorizationPolicy shop/deny-all": an object of the same kind, namespace and name is the
  /// same object. Two groups have a Gateway: Istio's is "Gateway", the other "KubernetesGateway".
  std::string key() const {
    const bool other = kind == "Gateway" && api_version.starts_with("gateway.networking.k8s.io/");
    return (other ? "Kubernetes" : "") + kind + " " + ns + "/" + name;
  }
  /// The lab writes these objects itself.
  bool lab_owned() const { return lab_owns(kind); }
  static bool lab_owns(std::string_view kind) {
    return kind == "Node" || kind == "Pod" || kind == "Deployment" || kind == "Service";
  }
};

struct Manifest {
  std::vector<Document> documents;
  std::vector<Node> nodes;
  std::vector<Namespace> namespaces;
  std::vector<Pod> pods;  // Deployments expanded
  std::vector<Service> services;
  std::vector<Gateway> gateways;
  std::vector<EdgeGateway> edges;
  std::vector<std::string> waypoint_classes;  // GatewayClasses of ours
  Diagnostics problems;  // errors only; the rest of the manifest is still filled
};

inline constexpr std::size_t kManifestBytesMax = 16U << 20;
inline constexpr std::size_t kReplicasMax = 1000;
inline constexpr unsigned kWaypointReplicasMax = 100;

/// Reads a file, or standard input for "-".
Outcome<SourceFile> read_source(const std::string& path);
/// Cuts a file at its "---" lines; documents of nothing but comments are left out.
std::vector<Document> split_documents(const SourceFile& file);
Manifest read_manifest(const std::vector<SourceFile>& files);
/// `text` with the lines of `document` made empty, so that all others keep their line numbers.
std::string blank_document(const std::string& text, const Document& document);
/// All problems, one a line.
Problem manifest_problem(const Diagnostics& diagnostics);

}  // namespace culvert::lab
