// PeerAuthentication: which object governs a workload, what mode that gives, and the Authorizations
// that enforce it. Private to lib/policy.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "culvert/policy/policy_set.hpp"

namespace culvert::policy {

/// Names that istiod gives to what it converts.
inline constexpr const char* kStaticStrict = "istio_converted_static_strict";
inline constexpr const char* kConvertedPrefix = "converted_peer_authentication_";

bool selects(const Labels& selector, const Labels& labels);

/// The PeerAuthentications in force. At each level (mesh, namespace, and of several that select a
/// workload) the oldest wins; of equally old ones the first by name.
class PeerAuthentications {
 public:
  PeerAuthentications(const config::ObjectMap& objects, std::string root_namespace);

  Mtls mtls_for(const std::string& ns, const Labels& labels) const;
  /// What a workload must name: nothing, the static policy, or the governing object's converted
  /// one.
  std::optional<std::string> name_for(const std::string& ns, const Labels& labels) const;
  /// The static STRICT policy when there is any PeerAuthentication, and a converted policy for each
  /// selector object whose ports differ from its mode.
  std::vector<Authorization> authorizations() const;
  config::Conditions conditions() const;

 private:
  struct Entry {
    config::ObjectKey key;
    std::int64_t created_seconds = 0;
    std::int64_t created_nanos = 0;
    MtlsMode mode = MtlsMode::kUnset;
    std::map<std::uint16_t, MtlsMode> ports;
    Labels selector;
  };

  const Entry* governing(const std::string& ns, const Labels& labels) const;
  MtlsMode inherited(const std::string& ns) const;
  Mtls resolve(const Entry* workload_level, const std::string& ns) const;

  std::string root_namespace_;
  std::vector<Entry> by_selector_;                   // oldest first
  std::map<std::string, std::vector<Entry>> whole_;  // by namespace, oldest first
  std::vector<config::ObjectKey> ignored_;           // with a selector in the root namespace
};

}  // namespace culvert::policy
