// The L4 policy decision. The semantics are Istio's; each oddity of them has a test by name.
#include <algorithm>

#include "culvert/mesh/policy.hpp"
#include "culvert/mesh/snapshot.hpp"

namespace culvert::mesh {
namespace {

/// One field and its not_ form: a value must match if any is set, and no negative one may.
template <class T, class Predicate>
bool field_holds(const std::vector<T>& positive, const std::vector<T>& negative,
                 Predicate matches_value) {
  if (!positive.empty() && std::ranges::none_of(positive, matches_value)) return false;
  return std::ranges::none_of(negative, matches_value);
}

/// What the source's certificate says, in the forms that fields compare. Without a certificate all
/// are empty, which only the not_ forms hold for.
struct Source {
  explicit Source(const Connection& c)
      : identity(c.source ? &*c.source : nullptr),
        principal(c.source ? c.source->principal() : std::string()) {}
  const Identity* identity;
  std::string principal;
};

bool match_holds(const Match& m, const Connection& c, const Source& source) {
  if (m.never || m.empty()) return false;
  const auto in = [](const IpAddress& ip) {
    return [&ip](const IpPrefix& prefix) { return prefix.contains(ip); };
  };
  const std::string_view ns = source.identity ? std::string_view(source.identity->ns) : "";
  return field_holds(m.destination_ips, m.not_destination_ips, in(c.destination.ip)) &&
         field_holds(m.source_ips, m.not_source_ips, in(c.source_ip)) &&
         field_holds(m.destination_ports, m.not_destination_ports,
                     [&](std::uint16_t port) { return port == c.destination.port; }) &&
         field_holds(m.service_accounts, m.not_service_accounts,
                     [&](const ServiceAccountMatch& want) {
                       return source.identity && source.identity->ns == want.ns &&
                              source.identity->service_account == want.service_account;
                     }) &&
         field_holds(m.principals, m.not_principals,
                     [&](const StringMatch& want) {
                       return source.identity && want.matches(source.principal);
                     }) &&
         field_holds(m.namespaces, m.not_namespaces,
                     [&](const StringMatch& want) { return want.matches(ns); });
}

bool matches_source(const Policy& policy, const Connection& c, const Source& source) {
  return std::ranges::any_of(policy.rules, [&](const Rule& rule) {
    return std::ranges::all_of(rule.clauses, [&](const Clause& clause) {
      return clause.matches.empty() || std::ranges::any_of(clause.matches, [&](const Match& m) {
               return match_holds(m, c, source);
             });
    });
  });
}

}  // namespace

bool StringMatch::matches(std::string_view text) const {
  switch (kind) {
    case Kind::kExact:
      return text == value;
    case Kind::kPrefix:
      return text.starts_with(value);
    case Kind::kSuffix:
      return text.ends_with(value);
    case Kind::kPresence:
      return !text.empty();
  }
  return false;
}

bool Match::empty() const {
  return namespaces.empty() && not_namespaces.empty() && service_accounts.empty() &&
         not_service_accounts.empty() && principals.empty() && not_principals.empty() &&
         source_ips.empty() && not_source_ips.empty() && destination_ips.empty() &&
         not_destination_ips.empty() && destination_ports.empty() && not_destination_ports.empty();
}

const char* to_string(Verdict::Reason reason) {
  switch (reason) {
    case Verdict::Reason::kNoPolicy:
      return "no allow policy applies";
    case Verdict::Reason::kAllowed:
      return "allowed by policy";
    case Verdict::Reason::kDenied:
      return "denied by policy";
    case Verdict::Reason::kNotAllowed:
      return "no allow policy matched";
    case Verdict::Reason::kUnknownPolicy:
      return "named policy not yet known";
  }
  return "";
}

bool matches(const Policy& policy, const Connection& connection) {
  return matches_source(policy, connection, Source(connection));
}

Verdict authorize(const Snapshot& snapshot, const Workload& destination,
                  const Connection& connection) {
  using Reason = Verdict::Reason;
  std::vector<const Policy*> allow;
  std::vector<const Policy*> deny;
  const auto consider = [&](const Policy& p) {
    if (!p.dry_run) (p.action == Policy::Action::kDeny ? deny : allow).push_back(&p);
  };
  for (const auto& p : snapshot.global_policies()) consider(*p);
  for (const auto& p : snapshot.namespace_policies(destination.ns)) consider(*p);
  std::vector<PolicyPtr> named;  // keeps them alive; the snapshot's caller does the rest
  for (const auto& key : destination.policies) {
    auto p = snapshot.policy(key);
    if (!p) return {false, Reason::kUnknownPolicy, key};
    consider(*p);
    named.push_back(std::move(p));
  }

  const Source source(connection);
  for (const auto* p : deny) {
    if (matches_source(*p, connection, source)) return {false, Reason::kDenied, p->key()};
  }
  if (allow.empty()) return {true, Reason::kNoPolicy, ""};
  for (const auto* p : allow) {
    if (matches_source(*p, connection, source)) return {true, Reason::kAllowed, p->key()};
  }
  return {false, Reason::kNotAllowed, allow.front()->key()};
}

}  // namespace culvert::mesh
