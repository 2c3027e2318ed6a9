// Istio's rules between fields, and stricter where a value could only be a mistake: a wildcard in
// the middle of a principal would be taken literally and never match.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "culvert/config/nearest.hpp"
#include "field_rules.pb.h"
#include "formats.hpp"
#include "istio_objects.pb.h"
#include "validate.hpp"

namespace culvert::config {
namespace {

namespace v1 = ::istio::security::v1beta1;
using Strings = google::protobuf::RepeatedPtrField<std::string>;

/// Keys of `when` besides request.headers[...], request.auth.claims[...] and experimental.*
constexpr std::array kConditionKeys = {
    "source.ip",
    "remote.ip",
    "source.namespace",
    "source.principal",
    "source.serviceAccount",
    "request.auth.principal",
    "request.auth.audiences",
    "request.auth.presenter",
    "destination.ip",
    "destination.port",
    "connection.sni",
};

std::string at(const std::string& path, int i) {
  return fmt::format("{}[{}]", path, i);
}

/// Exact, "prefix*", "*suffix" or "*".
void check_wildcards(const Strings& values, const std::string& path, Findings& findings) {
  for (int i = 0; i < values.size(); ++i) {
    const auto& value = values[i];
    const auto stars = std::ranges::count(value, '*');
    const bool at_an_end = value.starts_with('*') || value.ends_with('*');
    if (value.empty()) {
      findings.add(at(path, i), "must not be empty");
    } else if (stars > 1 || (stars == 1 && !at_an_end)) {
      findings.add(at(path, i), "a \"*\" may only stand once, at the start or the end");
    }
  }
}

void check_principals(const Strings& values, const std::string& path, Findings& findings) {
  constexpr std::string_view kScheme = "spiffe://";
  check_wildcards(values, path, findings);
  for (int i = 0; i < values.size(); ++i) {
    if (values[i].starts_with(kScheme)) {
      findings.add(at(path, i), "is compared without \"spiffe://\" and would never match",
                   values[i].substr(kScheme.size()));
    }
  }
}

/// "ACCOUNT" or "NAMESPACE/ACCOUNT".
void check_accounts(const Strings& values, const std::string& path, Findings& findings) {
  for (int i = 0; i < values.size(); ++i) {
    std::string_view value = values[i];
    const auto slash = value.find('/');
    const bool good_ns = slash == std::string_view::npos || is_dns_label(value.substr(0, slash));
    if (slash != std::string_view::npos) value.remove_prefix(slash + 1);
    if (!good_ns || !is_dns_subdomain(value)) {
      findings.add(at(path, i), "must be a service account or NAMESPACE/ACCOUNT, no wildcards");
    }
  }
}

void check_not_empty(const Strings& values, const std::string& path, Findings& findings) {
  for (int i = 0; i < values.size(); ++i) {
    if (values[i].empty()) findings.add(at(path, i), "must not be empty");
  }
}

void check_source(const v1::Source& source, const std::string& path, Findings& findings) {
  if (source.ByteSizeLong() == 0) findings.add(path, "needs at least one field");
  check_principals(source.principals(), path + ".principals", findings);
  check_principals(source.not_principals(), path + ".notPrincipals", findings);
  check_wildcards(source.namespaces(), path + ".namespaces", findings);
  check_wildcards(source.not_namespaces(), path + ".notNamespaces", findings);
  check_wildcards(source.request_principals(), path + ".requestPrincipals", findings);
  check_wildcards(source.not_request_principals(), path + ".notRequestPrincipals", findings);
  check_accounts(source.service_accounts(), path + ".serviceAccounts", findings);
  check_accounts(source.not_service_accounts(), path + ".notServiceAccounts", findings);
  const auto accounts = source.service_accounts_size() + source.not_service_accounts_size();
  const auto names = source.principals_size() + source.not_principals_size() +
                     source.namespaces_size() + source.not_namespaces_size();
  if (accounts > 0 && names > 0) {
    findings.add(path, "cannot have service accounts together with principals or namespaces");
  }
  check_not_empty(source.ip_blocks(), path + ".ipBlocks", findings);
  check_not_empty(source.not_ip_blocks(), path + ".notIpBlocks", findings);
}

void check_operation(const v1::Operation& operation, const std::string& path, Findings& findings) {
  if (operation.ByteSizeLong() == 0) findings.add(path, "needs at least one field");
  check_not_empty(operation.ports(), path + ".ports", findings);
  check_not_empty(operation.not_ports(), path + ".notPorts", findings);
  check_not_empty(operation.hosts(), path + ".hosts", findings);
  check_not_empty(operation.methods(), path + ".methods", findings);
  check_not_empty(operation.paths(), path + ".paths", findings);
}

void check_values(const std::string& key, const Strings& values, const std::string& path,
                  Findings& findings) {
  if (key == "source.principal") return check_principals(values, path, findings);
  if (key == "source.namespace") return check_wildcards(values, path, findings);
  auto format = api::ANY;
  if (key == "source.ip" || key == "remote.ip" || key == "destination.ip") format = api::CIDR_OR_IP;
  if (key == "destination.port") format = api::PORT;
  check_not_empty(values, path, findings);
  for (int i = 0; i < values.size(); ++i) {
    auto reason = values[i].empty() ? std::nullopt : check_format(format, values[i]);
    if (reason) findings.add(at(path, i), *reason);
  }
}

void check_condition(const v1::Condition& condition, const std::string& path, Findings& findings) {
  const auto& key = condition.key();
  const std::vector<std::string> known(kConditionKeys.begin(), kConditionKeys.end());
  const bool family = (key.starts_with("request.headers[") && key.ends_with("]")) ||
                      (key.starts_with("request.auth.claims[") && key.ends_with("]")) ||
                      key.starts_with("experimental.");
  if (!key.empty() && !family && std::ranges::find(known, key) == known.end()) {
    findings.add(path + ".key", fmt::format("unknown attribute \"{}\"", key), nearest(key, known));
  }
  if (condition.values_size() + condition.not_values_size() == 0) {
    findings.add(path, "needs values or notValues");
  }
  check_values(key, condition.values(), path + ".values", findings);
  check_values(key, condition.not_values(), path + ".notValues", findings);
}

void check_selector(const ::istio::type::v1beta1::WorkloadSelector& selector,
                    const std::string& path, Findings& findings) {
  for (const auto& [key, value] : selector.match_labels()) {
    const auto field = fmt::format("{}.matchLabels[\"{}\"]", path, key);
    if (!is_label_key(key)) findings.add(field, "is not a label name");
    if (value.empty()) findings.add(field, "must not be empty");
    if (auto reason = check_format(api::LABEL_VALUE, value)) findings.add(field, *reason);
  }
}

void check_action(const v1::AuthorizationPolicy& spec, Findings& findings) {
  const bool custom = spec.action() == v1::AuthorizationPolicy::CUSTOM;
  if (custom && spec.provider().name().empty()) {
    findings.add("spec.provider.name", "is required for the action CUSTOM");
  }
  if (!custom && spec.has_provider()) {
    findings.add("spec.provider", "is only allowed for the action CUSTOM");
  }
  if (spec.action() == v1::AuthorizationPolicy::DENY && spec.rules_size() == 0) {
    findings.add("spec.rules", "a DENY policy without rules would have no effect");
  }
}

}  // namespace

void validate_authorization_policy(const api::istio::AuthorizationPolicy& object,
                                   Findings& findings) {
  const auto& spec = object.spec();
  check_selector(spec.selector(), "spec.selector", findings);
  check_action(spec, findings);
  const int targets = spec.has_selector() + spec.has_target_ref() + (spec.target_refs_size() > 0);
  if (targets > 1)
    findings.add("spec", "only one of selector, targetRef and targetRefs may be set");
  for (int i = 0; i < spec.rules_size(); ++i) {
    const auto& rule = spec.rules(i);
    const auto path = fmt::format("spec.rules[{}]", i);
    for (int j = 0; j < rule.from_size(); ++j) {
      check_source(rule.from(j).source(), fmt::format("{}.from[{}].source", path, j), findings);
    }
    for (int j = 0; j < rule.to_size(); ++j) {
      check_operation(rule.to(j).operation(), fmt::format("{}.to[{}].operation", path, j),
                      findings);
    }
    for (int j = 0; j < rule.when_size(); ++j) {
      check_condition(rule.when(j), fmt::format("{}.when[{}]", path, j), findings);
    }
  }
}

void validate_peer_authentication(const api::istio::PeerAuthentication& object,
                                  Findings& findings) {
  const auto& spec = object.spec();
  check_selector(spec.selector(), "spec.selector", findings);
  if (spec.port_level_mtls_size() > 0 && spec.selector().match_labels_size() == 0) {
    findings.add("spec.portLevelMtls", "needs a selector with labels");
  }
  for (const auto& [port, mtls] : spec.port_level_mtls()) {
    if (port == 0 || port > 65535) {
      findings.add(fmt::format("spec.portLevelMtls[\"{}\"]", port),
                   "must be a port from 1 to 65535");
    }
  }
}

}  // namespace culvert::config
