// L4 policies as istio.security.Authorization carries them, and the question that they answer.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "culvert/base/ip.hpp"
#include "culvert/mesh/identity.hpp"
#include "culvert/mesh/workload.hpp"

namespace culvert::mesh {

class Snapshot;

struct StringMatch {
  enum class Kind : std::uint8_t { kExact, kPrefix, kSuffix, kPresence };
  Kind kind = Kind::kExact;
  std::string value;  // empty for kPresence

  /// kPresence matches any non-empty text.
  bool matches(std::string_view text) const;
  bool operator==(const StringMatch&) const = default;
};

struct ServiceAccountMatch {
  std::string ns;
  std::string service_account;
  bool operator==(const ServiceAccountMatch&) const = default;
};

/// All fields that are set must hold; the values of a field are alternatives. A Match with nothing
/// set matches nothing.
struct Match {
  std::vector<StringMatch> namespaces, not_namespaces;
  std::vector<ServiceAccountMatch> service_accounts, not_service_accounts;
  std::vector<StringMatch> principals, not_principals;  // compared without "spiffe://"
  std::vector<IpPrefix> source_ips, not_source_ips;
  std::vector<IpPrefix> destination_ips, not_destination_ips;
  std::vector<std::uint16_t> destination_ports, not_destination_ports;
  bool never = false;  // names something that this build cannot judge

  bool empty() const;
  bool operator==(const Match&) const = default;
};

/// Alternatives. Without any, it holds (as in Istio's ztunnel).
struct Clause {
  std::vector<Match> matches;
  bool operator==(const Clause&) const = default;
};

/// Every clause must hold. Without any, it matches everything (the API's rule `{}`).
struct Rule {
  std::vector<Clause> clauses;
  bool operator==(const Rule&) const = default;
};

struct Policy {
  enum class Scope : std::uint8_t { kGlobal, kNamespace, kWorkload };
  enum class Action : std::uint8_t { kAllow, kDeny };

  std::string ns;
  std::string name;
  Scope scope = Scope::kGlobal;
  Action action = Action::kAllow;
  std::vector<Rule> rules;  // alternatives; none: matches nothing
  bool dry_run = false;     // never decides

  std::string key() const { return ns + "/" + name; }
  bool operator==(const Policy&) const = default;
};
using PolicyPtr = std::shared_ptr<const Policy>;

/// The waypoint between a client and its destination.
struct Via {
  Identity identity;  // the verified certificate's
  IpAddress ip;
};

/// What a policy may look at.
struct Connection {
  std::optional<Identity> source;  // the verified certificate's; nullopt for plaintext
  IpAddress source_ip;
  SocketAddress destination;  // at the destination workload: its address, the target port
  /// Set: `source` is the client that this waypoint, which proved to be it, speaks for.
  std::optional<Via> via{};
};

struct Verdict {
  enum class Reason : std::uint8_t {
    kNoPolicy,        // allowed: no ALLOW policy concerns the workload
    kAllowed,         // allowed by `policy`
    kDenied,          // refused by the DENY policy `policy`
    kNotAllowed,      // refused: there are ALLOW policies, none matched
    kUnknownPolicy,   // refused: the workload names `policy`, which has not arrived
    kWaypointOnly,    // refused: the port admits `about` only (admit() in mesh/waypoint.hpp)
    kUnknownService,  // refused: the service `about` leads to the port and has not arrived
  };
  bool allowed = false;
  Reason reason = Reason::kNotAllowed;
  std::string policy;   // "NAMESPACE/NAME"; for kNotAllowed the first ALLOW policy asked
  std::string about{};  // the waypoint's or service's name, where one is the reason
};
/// "denied by policy", "no allow policy matched", ... for logs.
const char* to_string(Verdict::Reason reason);
/// The same with what it is about that is no policy: "only its waypoint is admitted: shop/wp...".
std::string in_words(const Verdict& verdict);

/// Whether the rules of `policy` match; looks at neither scope, action nor dry_run. Of a connection
/// with two identities a rule may match either; what is excluded (not_...) must be neither.
bool matches(const Policy& policy, const Connection& connection);

/// Istio's order: an unknown policy refuses, then any DENY that matches refuses, then without any
/// ALLOW the connection is allowed, then one of them must match. Considered are the global
/// policies, those of the workload's namespace, and those that it names.
Verdict authorize(const Snapshot& snapshot, const Workload& destination,
                  const Connection& connection);

}  // namespace culvert::mesh
