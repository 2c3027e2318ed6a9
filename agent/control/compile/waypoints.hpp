// Which waypoint serves what: Gateways and the labels that name them; which pods are edges. Pure;
// made anew for every compile().
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/compile/compile.hpp"
#include "control/compile/namespace_selector.hpp"
#include "culvert/policy/policy_set.hpp"
#include "workload.pb.h"

namespace culvert::api::gateway {
class Gateway;
class Listener;
}  // namespace culvert::api::gateway

namespace culvert::control {

/// How a label that names a waypoint ends. All but the first two lead nowhere: refused.
enum class WaypointVerdict : std::uint8_t {
  kBound,
  kOtherTraffic,  // the Gateway says that it is not for this kind of traffic: goes without it
  kMissing,       // no such Gateway
  kNotAWaypoint,  // a Gateway, but of another class, or waypoint-for says what nobody knows
  kNotAllowed,    // its listener does not admit the namespace
};

/// What the labels of an object, or of its namespace, come to.
struct WaypointChoice {
  /// Where traffic goes. Also set when the waypoint cannot serve: then nothing answers there, and
  /// traffic is refused rather than let past.
  std::optional<istio::workload::GatewayAddress> address;
  WaypointVerdict verdict = WaypointVerdict::kBound;
  std::string gateway;     // "NS/NAME" that was named; empty: none was
  bool own_label = false;  // the object's, rather than its namespace's
};

class Waypoints {
 public:
  /// `cluster_domain`: the end of service hostnames.
  Waypoints(const config::ObjectMap& objects, std::string cluster_domain);

  /// The waypoint of traffic to a service (or ServiceEntry) with these labels.
  WaypointChoice for_service(const std::string& ns, const policy::Labels& labels) const;
  /// The waypoint of traffic to the addresses of a workload. A namespace's label counts only when
  /// the Gateway is there and takes such traffic: by default one serves services alone.
  WaypointChoice for_workload(const std::string& ns, const policy::Labels& labels) const;
  /// Whether a Service or Pod belongs to a waypoint: those use none themselves.
  bool is_part_of_waypoint(const std::string& ns, const policy::Labels& labels) const;
  bool is_waypoint(const std::string& ns, const std::string& name) const;
  bool uses_waypoint_from_ingress(const std::string& ns, const policy::Labels& labels) const;

  /// The Gateways of Istio's, "NS/NAME" each, that a pod with these labels is an edge of.
  std::vector<std::string> edges_of(const policy::Labels& labels) const;

  /// Of Namespaces that have the label, and of the Gateways themselves.
  void add_conditions(config::Conditions& out) const;

 private:
  struct Gateway {
    bool waypoint = false;  // of our class, and what it is for is known
    bool services = false, workloads = false;
    std::string problem;  // why it is no waypoint, or what of it is not honoured
    /// Namespaces whose objects it admits, as the listener's allowedRoutes say.
    enum class From { kSame, kAll, kSelector, kNone } from = From::kSame;
    NamespaceSelector selector;
  };
  struct Named {
    std::string ns, name;  // empty name: opted out
  };
  static std::optional<Named> named_by(const policy::Labels& labels, const std::string& default_ns);
  WaypointChoice choose(const std::string& ns, const policy::Labels& labels, bool service) const;
  bool admits(const Gateway& gateway, const std::string& ns) const;
  static void read_allowed(const api::gateway::Listener& listener, Gateway& gateway);
  void read_gateway(const config::ObjectKey& key, const api::gateway::Gateway& gateway);

  const std::string domain_;
  std::map<std::string, Gateway> gateways_;            // by "NS/NAME", of all classes
  std::map<std::string, policy::Labels> namespaces_;   // by name
  std::map<std::string, policy::Labels> our_classes_;  // GatewayClasses, by name
  std::map<std::string, policy::Labels> edges_;  // selectors of Istio's Gateways, by "NS/NAME"
};

/// What is said of an object whose labels came to `choice`; nothing when no waypoint was named.
std::optional<config::Condition> waypoint_condition(const config::ObjectKey& object,
                                                    const WaypointChoice& choice);

}  // namespace culvert::control
