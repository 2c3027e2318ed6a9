// The L4 policy decision. The semantics are Istio's; each oddity of them has a test by name.
#include <algorithm>

#include "culvert/mesh/policy.hpp"
#include "culvert/mesh/snapshot.hpp"

namespace culvert::mesh {
namespace {

/// What a certificate says, in the forms that fields compare, and the address that goes with it.
/// Without a certificate all names are empty, which only the not_ forms hold for.
struct Subject {
  Subject(const Identity* who, const IpAddress& at)
      : identity(who), ip(at), principal(who != nullptr ? who->principal() : std::string()) {}
  std::string_view ns() const { return identity != nullptr ? std::string_view(identity->ns) : ""; }

  const Identity* identity;
  IpAddress ip;
  std::string principal;
};

/// The client, and the waypoint that speaks for it if there is one.
struct Subjects {
  explicit Subjects(const Connection& c) : source(c.source ? &*c.source : nullptr, c.source_ip) {
    if (c.via) via.emplace(&c.via->identity, c.via->ip);
  }
  template <class Predicate>
  bool any(Predicate holds) const {
    return holds(source) || (via && holds(*via));
  }

  Subject source;
  std::optional<Subject> via;
};

/// One field and its not_ form, about one value: it must match if any is set, and no negative may.
template <class T, class Predicate>
bool field_holds(const std::vector<T>& positive, const std::vector<T>& negative,
                 Predicate matches_value) {
  if (!positive.empty() && std::ranges::none_of(positive, matches_value)) return false;
  return std::ranges::none_of(negative, matches_value);
}

bool is_principal(const StringMatch& want, const Subject& s) {
  return s.identity != nullptr && want.matches(s.principal);
}
bool is_account(const ServiceAccountMatch& want, const Subject& s) {
  return s.identity != nullptr && s.identity->ns == want.ns &&
         s.identity->service_account == want.service_account;
}
bool is_in_namespace(const StringMatch& want, const Subject& s) {
  return want.matches(s.ns());
}
bool is_in_prefix(const IpPrefix& want, const Subject& s) {
  return want.contains(s.ip);
}

/// A field about who asks: one of the positive values must be `who`'s; a negative one, anybody's.
template <class T>
bool names(const std::vector<T>& positive, const std::vector<T>& negative, const Subject& who,
           const Subjects& all, bool (*is)(const T&, const Subject&)) {
  if (!positive.empty() &&
      std::ranges::none_of(positive, [&](const T& want) { return is(want, who); })) {
    return false;
  }
  return std::ranges::none_of(negative, [&](const T& banned) {
    return all.any([&](const Subject& s) { return is(banned, s); });
  });
}

bool match_holds(const Match& m, const Connection& c, const Subject& who, const Subjects& all) {
  if (m.never || m.empty()) return false;
  return field_holds(m.destination_ips, m.not_destination_ips,
                     [&](const IpPrefix& prefix) { return prefix.contains(c.destination.ip); }) &&
         field_holds(m.destination_ports, m.not_destination_ports,
                     [&](std::uint16_t port) { return port == c.destination.port; }) &&
         names(m.source_ips, m.not_source_ips, who, all, is_in_prefix) &&
         names(m.service_accounts, m.not_service_accounts, who, all, is_account) &&
         names(m.principals, m.not_principals, who, all, is_principal) &&
         names(m.namespaces, m.not_namespaces, who, all, is_in_namespace);
}

// A rule speaks of one client: what it demands in several fields must be true of the same one.
bool matches_any(const Policy& policy, const Connection& c, const Subjects& all) {
  return all.any([&](const Subject& who) {
    return std::ranges::any_of(policy.rules, [&](const Rule& rule) {
      return std::ranges::all_of(rule.clauses, [&](const Clause& clause) {
        return clause.matches.empty() || std::ranges::any_of(clause.matches, [&](const Match& m) {
                 return match_holds(m, c, who, all);
               });
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
    case Verdict::Reason::kWaypointOnly:
      return "only its waypoint is admitted";
    case Verdict::Reason::kUnknownService:
      return "named service not yet known";
  }
  return "";
}

std::string in_words(const Verdict& verdict) {
  std::string out = to_string(verdict.reason);
  if (!verdict.about.empty()) out.append(": ").append(verdict.about);
  return out;
}

bool matches(const Policy& policy, const Connection& connection) {
  return matches_any(policy, connection, Subjects(connection));
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

  const Subjects all(connection);
  for (const auto* p : deny) {
    if (matches_any(*p, connection, all)) return {false, Reason::kDenied, p->key()};
  }
  if (allow.empty()) return {true, Reason::kNoPolicy, ""};
  for (const auto* p : allow) {
    if (matches_any(*p, connection, all)) return {true, Reason::kAllowed, p->key()};
  }
  return {false, Reason::kNotAllowed, allow.front()->key()};
}

}  // namespace culvert::mesh
