// One AuthorizationPolicy into one Authorization. Private to lib/policy.
#pragma once

#include <memory>
#include <string>
#include <vector>

namespace culvert::api::istio {
class AuthorizationPolicy;
}
namespace istio::security {
class Authorization;
}

namespace culvert::policy {

struct ConvertedPolicy {
  std::unique_ptr<istio::security::Authorization> message;  // null: nothing for ztunnel
  bool as_written = true;
  std::string reason;  // CamelCase, for the condition
  std::string message_text;
};

/// Rules with fields that need HTTP: in ALLOW they match nothing, in DENY they match by what is
/// left, and by everything where nothing is left. CUSTOM denies what it would have asked about;
/// AUDIT enforces nothing. Policies with targetRefs are a waypoint's.
ConvertedPolicy convert(const api::istio::AuthorizationPolicy& policy, const std::string& ns,
                        const std::string& name, const std::string& root_namespace);

}  // namespace culvert::policy
