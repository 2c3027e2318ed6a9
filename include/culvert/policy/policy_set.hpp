// What ztunnels are told of AuthorizationPolicy and PeerAuthentication objects. Pure: objects in,
// Authorizations, modes and conditions out; the shape is istiod's (lib/policy/README.md).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "culvert/config/object.hpp"

namespace istio::security {
class Authorization;
}

namespace culvert::policy {

using Labels = std::map<std::string, std::string>;

enum class MtlsMode : std::uint8_t { kUnset, kDisable, kPermissive, kStrict };

/// What PeerAuthentication asks of one workload, inheritance resolved: never kUnset.
struct Mtls {
  MtlsMode mode = MtlsMode::kPermissive;
  std::map<std::uint16_t, MtlsMode> ports;  // only those that differ from `mode`
};

/// An istio.security.Authorization and the workloads that must name it.
struct Authorization {
  std::string name;  // "NAMESPACE/NAME", the resource name
  std::shared_ptr<const istio::security::Authorization> message;
};

class PolicySet {
 public:
  /// Compiles all policies of `objects`. The root namespace holds the mesh-wide ones.
  PolicySet(const config::ObjectMap& objects, const std::string& root_namespace);
  PolicySet(PolicySet&&) noexcept;
  ~PolicySet();

  /// In the order of their names; includes what PeerAuthentication is converted into.
  const std::vector<Authorization>& authorizations() const { return authorizations_; }
  /// "ZtunnelAccepted" of every policy: false where a part of it is not enforced as written, with
  /// the fields and what that means.
  const config::Conditions& conditions() const { return conditions_; }

  /// Names of the policies that a workload must list: those that select it by label, and those that
  /// its PeerAuthentication amounts to. Sorted.
  std::vector<std::string> names_for(const std::string& ns, const Labels& labels) const;
  Mtls mtls_for(const std::string& ns, const Labels& labels) const;

 private:
  struct Index;
  std::unique_ptr<const Index> index_;
  std::vector<Authorization> authorizations_;
  config::Conditions conditions_;
};

}  // namespace culvert::policy
