// The lab's view of the objects that it runs: nodes, pods and services. Plain values, no I/O; the
// rest of a manifest is configuration for culvert-control and stays text (manifest.hpp).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "culvert/base/ip.hpp"

namespace culvert::lab {

using Labels = std::map<std::string, std::string>;

struct EnvVar {
  std::string name;
  std::string value;
  std::string field_path;  // of valueFrom.fieldRef; empty for a plain value
};

struct ContainerPort {
  std::string name;
  std::uint16_t number = 0;
  bool tcp = true;
};

/// Kubernetes' readinessProbe; `port` is a number or the name of a container port.
struct Probe {
  enum class Kind { kExec, kHttpGet, kTcpSocket };
  Kind kind = Kind::kExec;
  std::vector<std::string> command;
  std::string path = "/";
  std::string port;
  std::vector<std::pair<std::string, std::string>> headers;
  int initial_delay_s = 0;
  int timeout_s = 1;
};

struct Container {
  std::string name;
  std::vector<std::string> command;
  std::vector<std::string> args;
  std::vector<EnvVar> env;
  std::string working_dir;
  std::vector<ContainerPort> ports;
  std::optional<Probe> readiness;
  /// Runs culvert-waypoint, with flags of the lab's before `args`; `command` is empty then.
  bool waypoint = false;
};

/// Why a pod is, or is not, in the mesh (Istio's rules for ambient mode).
enum class Membership {
  kPodLabel,
  kNamespaceLabel,
  kNoLabel,
  kOptedOut,
  kHostNetwork,
  kMeshOff,
  kWaypoint,
};

struct Pod {
  std::string ns = "default";
  std::string name;
  std::string uid;
  Labels labels;
  std::string service_account = "default";
  std::string node;
  bool host_network = false;
  std::string restart_policy = "Always";
  std::vector<Container> containers;
  std::vector<IpAddress> ips;  // at most one a family
  std::string guard;           // annotation culvert.io/guard; empty: the agent's setting
  std::string owner;           // the Deployment's or Gateway's name; empty for a bare pod
  Membership membership = Membership::kNoLabel;
  bool ready = false;
  std::string source;  // the Pod as text, from which the rest was read
  std::string folder;  // where the manifest lies: the default working directory
  std::string file;    // for messages
  int line = 0;

  bool meshed() const {
    return membership == Membership::kPodLabel || membership == Membership::kNamespaceLabel;
  }
  std::string key() const { return ns + "/" + name; }
};

struct Node {
  std::string name;
  std::vector<IpAddress> ips;
  std::vector<IpPrefix> pod_ranges;
  std::string source;
};

struct Service {
  std::string ns = "default";
  std::string name;
  Labels selector;
  std::vector<IpAddress> cluster_ips;
  bool headless = false;
  bool external_name = false;
  bool wants_v4 = true;
  bool wants_v6 = true;
  std::string source;
  std::string file;
  int line = 0;

  std::string key() const { return ns + "/" + name; }
};

struct Namespace {
  std::string name;
  Labels labels;
};

/// A Gateway of the Gateway API: a waypoint when its class is ours.
struct Gateway {
  std::string ns = "default";
  std::string name;
  std::string class_name;
  unsigned replicas = 1;
  std::string folder;
  std::string file;
  int line = 0;

  std::string key() const { return ns + "/" + name; }
};

/// A Gateway of Istio's, which edges find by themselves.
struct EdgeGateway {
  std::string ns = "default";
  std::string name;

  std::string key() const { return ns + "/" + name; }
};

}  // namespace culvert::lab
