// Rules of an AuthorizationPolicy into clauses. What istiod does with HTTP fields in DENY (an empty
// match, which never matches) would let through what the policy was to stop, so that here the
// policy matches wider instead.
#include "authorization_policy.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>

#include "authorization.pb.h"
#include "culvert/base/ip.hpp"
#include "istio_objects.pb.h"

namespace culvert::policy {
namespace {

namespace v1 = ::istio::security::v1beta1;
namespace wire = ::istio::security;
using Strings = google::protobuf::RepeatedPtrField<std::string>;

/// "*", "*suffix", "prefix*" and exact.
void add_strings(const Strings& from, google::protobuf::RepeatedPtrField<wire::StringMatch>* to) {
  for (const auto& value : from) {
    auto* match = to->Add();
    if (value == "*") {
      match->mutable_presence();
    } else if (value.starts_with('*')) {
      match->set_suffix(value.substr(1));
    } else if (value.ends_with('*')) {
      match->set_prefix(value.substr(0, value.size() - 1));
    } else {
      match->set_exact(value);
    }
  }
}

void add_blocks(const Strings& from, google::protobuf::RepeatedPtrField<wire::Address>* to) {
  for (const auto& value : from) {
    const auto prefix = IpPrefix::parse(value);
    if (!prefix) continue;  // refused before it came here
    auto* address = to->Add();
    address->set_address(prefix->address.to_wire_bytes());
    address->set_length(prefix->length);
  }
}

// Their format was checked before they came here.
void add_ports(const Strings& from, google::protobuf::RepeatedField<std::uint32_t>* to) {
  for (const auto& value : from) {
    std::uint32_t port = 0;
    std::from_chars(value.data(), value.data() + value.size(), port);
    to->Add(port);
  }
}

void add_accounts(const Strings& from, const std::string& ns,
                  google::protobuf::RepeatedPtrField<wire::ServiceAccountMatch>* to) {
  for (const auto& value : from) {
    const auto slash = value.find('/');
    auto* match = to->Add();
    match->set_namespace_(slash == std::string::npos ? ns : value.substr(0, slash));
    match->set_serviceaccount(slash == std::string::npos ? value : value.substr(slash + 1));
  }
}

/// Converts the rules of one policy and remembers which fields could not be.
class RuleConverter {
 public:
  RuleConverter(std::string ns, bool allow) : ns_(std::move(ns)), allow_(allow) {}

  void add(const v1::Rule& rule, const std::string& path, wire::Authorization& out) {
    rule_has_http_ = false;
    wire::Rule converted;
    add_to(rule, path, converted);
    add_from(rule, path, converted);
    for (int i = 0; i < rule.when_size(); ++i) {
      add_when(rule.when(i), fmt::format("{}.when[{}]", path, i), converted);
    }
    // An ALLOW rule that cannot be judged matches nothing, so it is left out.
    if (!(allow_ && rule_has_http_)) *out.add_rules() = std::move(converted);
  }

  const std::vector<std::string>& http_fields() const { return http_fields_; }

 private:
  /// Notes the field when it is used. Returns whether it is.
  bool http(bool used, const std::string& path, const char* field) {
    if (used) {
      http_fields_.push_back(path + "." + field);
      rule_has_http_ = true;
    }
    return used;
  }

  /// An alternative of which nothing is left matches everything, and its clause with it.
  static void add_clause(wire::Clause clause, bool always, wire::Rule& out) {
    if (clause.matches_size() > 0 && !always) *out.add_clauses() = std::move(clause);
  }

  void add_to(const v1::Rule& rule, const std::string& path, wire::Rule& out) {
    wire::Clause clause;
    bool always = false;
    for (int i = 0; i < rule.to_size(); ++i) {
      const auto& o = rule.to(i).operation();
      const auto at = fmt::format("{}.to[{}].operation", path, i);
      http(o.hosts_size() > 0, at, "hosts");
      http(o.not_hosts_size() > 0, at, "notHosts");
      http(o.methods_size() > 0, at, "methods");
      http(o.not_methods_size() > 0, at, "notMethods");
      http(o.paths_size() > 0, at, "paths");
      http(o.not_paths_size() > 0, at, "notPaths");
      auto* match = clause.add_matches();
      add_ports(o.ports(), match->mutable_destination_ports());
      add_ports(o.not_ports(), match->mutable_not_destination_ports());
      always = always || match->ByteSizeLong() == 0;
    }
    add_clause(std::move(clause), always, out);
  }

  void add_from(const v1::Rule& rule, const std::string& path, wire::Rule& out) {
    wire::Clause clause;
    bool always = false;
    for (int i = 0; i < rule.from_size(); ++i) {
      const auto& s = rule.from(i).source();
      const auto at = fmt::format("{}.from[{}].source", path, i);
      http(s.request_principals_size() > 0, at, "requestPrincipals");
      http(s.not_request_principals_size() > 0, at, "notRequestPrincipals");
      http(s.remote_ip_blocks_size() > 0, at, "remoteIpBlocks");
      http(s.not_remote_ip_blocks_size() > 0, at, "notRemoteIpBlocks");
      auto* match = clause.add_matches();
      add_strings(s.principals(), match->mutable_principals());
      add_strings(s.not_principals(), match->mutable_not_principals());
      add_strings(s.namespaces(), match->mutable_namespaces());
      add_strings(s.not_namespaces(), match->mutable_not_namespaces());
      add_accounts(s.service_accounts(), ns_, match->mutable_service_accounts());
      add_accounts(s.not_service_accounts(), ns_, match->mutable_not_service_accounts());
      add_blocks(s.ip_blocks(), match->mutable_source_ips());
      add_blocks(s.not_ip_blocks(), match->mutable_not_source_ips());
      always = always || match->ByteSizeLong() == 0;
    }
    add_clause(std::move(clause), always, out);
  }

  void add_when(const v1::Condition& c, const std::string& path, wire::Rule& out) {
    wire::Clause clause;
    auto* match = clause.add_matches();
    if (c.key() == "source.ip") {
      add_blocks(c.values(), match->mutable_source_ips());
      add_blocks(c.not_values(), match->mutable_not_source_ips());
    } else if (c.key() == "source.namespace") {
      add_strings(c.values(), match->mutable_namespaces());
      add_strings(c.not_values(), match->mutable_not_namespaces());
    } else if (c.key() == "source.principal") {
      add_strings(c.values(), match->mutable_principals());
      add_strings(c.not_values(), match->mutable_not_principals());
    } else if (c.key() == "source.serviceAccount") {
      add_accounts(c.values(), ns_, match->mutable_service_accounts());
      add_accounts(c.not_values(), ns_, match->mutable_not_service_accounts());
    } else if (c.key() == "destination.ip") {
      add_blocks(c.values(), match->mutable_destination_ips());
      add_blocks(c.not_values(), match->mutable_not_destination_ips());
    } else if (c.key() == "destination.port") {
      add_ports(c.values(), match->mutable_destination_ports());
      add_ports(c.not_values(), match->mutable_not_destination_ports());
    } else {
      http(true, path, c.key().c_str());
      return;
    }
    add_clause(std::move(clause), false, out);
  }

  std::string ns_;
  bool allow_;
  bool rule_has_http_ = false;
  std::vector<std::string> http_fields_;
};

void set_scope(const v1::AuthorizationPolicy& spec, const std::string& ns,
               const std::string& root_namespace, wire::Authorization& out) {
  if (spec.selector().match_labels_size() > 0) {
    out.set_scope(wire::WORKLOAD_SELECTOR);
  } else {
    out.set_scope(ns == root_namespace ? wire::GLOBAL : wire::NAMESPACE);
  }
}

/// What was lost, in words for the one who wrote the policy.
void describe(const v1::AuthorizationPolicy& spec, const std::vector<std::string>& http_fields,
              ConvertedPolicy& out) {
  if (spec.action() == v1::AuthorizationPolicy::CUSTOM) {
    out.as_written = false;
    out.reason = "UnsupportedAction";
    out.message_text =
        "spec.action: CUSTOM needs a waypoint to ask the provider; here it denies what it matches";
  }
  if (http_fields.empty()) return;
  out.as_written = false;
  if (out.reason.empty()) out.reason = "UnsupportedFields";
  const bool allow = spec.action() == v1::AuthorizationPolicy::ALLOW;
  out.message_text +=
      fmt::format("{}{} need HTTP, which only a waypoint reads; here {}",
                  out.message_text.empty() ? "" : "; ", fmt::join(http_fields, ", "),
                  allow ? "their rules match nothing, so that less is allowed than written"
                        : "they are left out, so that more is denied than written");
}

}  // namespace

ConvertedPolicy convert(const api::istio::AuthorizationPolicy& policy, const std::string& ns,
                        const std::string& name, const std::string& root_namespace) {
  const auto& spec = policy.spec();
  ConvertedPolicy out;
  if (spec.has_target_ref() || spec.target_refs_size() > 0) {
    out.reason = "BoundToTargets";
    out.message_text = "spec.targetRefs: enforced by the waypoint of its targets, not by ztunnel";
    return out;
  }
  if (spec.action() == v1::AuthorizationPolicy::AUDIT) {
    out.as_written = false;
    out.reason = "UnsupportedAction";
    out.message_text = "spec.action: AUDIT needs a waypoint; here it does nothing";
    return out;
  }
  const bool allow = spec.action() == v1::AuthorizationPolicy::ALLOW;
  out.message = std::make_unique<wire::Authorization>();
  out.message->set_name(name);
  out.message->set_namespace_(ns);
  set_scope(spec, ns, root_namespace, *out.message);
  out.message->set_action(allow ? wire::ALLOW : wire::DENY);
  const auto& annotations = policy.metadata().annotations();
  const auto dry_run = annotations.find("istio.io/dry-run");
  out.message->set_dry_run(dry_run != annotations.end() && dry_run->second == "true");
  RuleConverter converter(ns, allow);
  for (int i = 0; i < spec.rules_size(); ++i) {
    converter.add(spec.rules(i), fmt::format("spec.rules[{}]", i), *out.message);
  }
  describe(spec, converter.http_fields(), out);
  return out;
}

}  // namespace culvert::policy
