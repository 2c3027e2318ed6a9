// Istio's L4 policy semantics, one case a sentence.
#include <doctest/doctest.h>

#include "sample_mesh.hpp"

using namespace culvert;
using namespace culvert::mesh;
using namespace culvert::mesh::sample;
using Reason = Verdict::Reason;
using Kind = StringMatch::Kind;

namespace {

Connection from(const char* spiffe, const char* source = "10.0.0.9",
                const char* destination = "10.0.0.1:8080") {
  Connection c;
  if (spiffe) c.source = Identity::parse(spiffe);
  c.source_ip = ip(source);
  c.destination = at(destination);
  return c;
}

constexpr const char* kClient = "spiffe://cluster.local/ns/shop/sa/client";

Policy policy(Policy::Action action, std::vector<Match> matches, std::string name = "p") {
  Policy p;
  p.ns = "shop";
  p.name = std::move(name);
  p.scope = Policy::Scope::kNamespace;
  p.action = action;
  p.rules = {Rule{{Clause{std::move(matches)}}}};
  return p;
}

Match principal(Kind kind, std::string value) {
  Match m;
  m.principals = {{kind, std::move(value)}};
  return m;
}

bool holds(const Match& m, const Connection& c) {
  return matches(policy(Policy::Action::kAllow, {m}), c);
}

Verdict ask(std::vector<Policy> policies, const Connection& c, Workload destination) {
  return authorize(*mesh_of({}, {}, std::move(policies)), destination, c);
}

}  // namespace

TEST_CASE("a policy without rules matches nothing, a rule without clauses matches everything") {
  Policy p;
  CHECK_FALSE(matches(p, from(kClient)));
  p.rules.emplace_back();
  CHECK(matches(p, from(kClient)));
  CHECK(matches(p, from(nullptr)));
}

TEST_CASE("an empty match never matches, an empty clause always does") {
  Policy p;
  p.rules = {Rule{{Clause{{Match{}}}}}};
  CHECK_FALSE(matches(p, from(kClient)));
  p.rules = {Rule{{Clause{}}}};
  CHECK(matches(p, from(kClient)));
}

TEST_CASE("a match that names something unknown never matches") {
  auto m = principal(Kind::kPresence, "");
  CHECK(holds(m, from(kClient)));
  m.never = true;
  CHECK_FALSE(holds(m, from(kClient)));
}

TEST_CASE("principals compare without the scheme, by exact, prefix, suffix and presence") {
  const auto c = from(kClient);
  CHECK(holds(principal(Kind::kExact, "cluster.local/ns/shop/sa/client"), c));
  CHECK_FALSE(holds(principal(Kind::kExact, kClient), c));
  CHECK(holds(principal(Kind::kPrefix, "cluster.local/ns/shop/"), c));
  CHECK_FALSE(holds(principal(Kind::kPrefix, "spiffe://"), c));
  CHECK(holds(principal(Kind::kSuffix, "/sa/client"), c));
  CHECK_FALSE(holds(principal(Kind::kSuffix, "/sa/clien"), c));
  CHECK(holds(principal(Kind::kPresence, ""), c));
}

TEST_CASE("without a certificate no principal matches, not even an empty prefix") {
  const auto c = from(nullptr);
  CHECK_FALSE(holds(principal(Kind::kPresence, ""), c));
  CHECK_FALSE(holds(principal(Kind::kPrefix, ""), c));
  Match m;
  m.not_principals = {{Kind::kPresence, ""}};
  CHECK(holds(m, c));
  CHECK_FALSE(holds(m, from(kClient)));
}

TEST_CASE("namespaces and service accounts come from the certificate") {
  Match ns;
  ns.namespaces = {{Kind::kExact, "shop"}};
  CHECK(holds(ns, from(kClient)));
  CHECK_FALSE(holds(ns, from("spiffe://cluster.local/ns/other/sa/client")));
  CHECK_FALSE(holds(ns, from(nullptr)));
  Match not_ns;
  not_ns.not_namespaces = {{Kind::kExact, "shop"}};
  CHECK_FALSE(holds(not_ns, from(kClient)));
  CHECK(holds(not_ns, from(nullptr)));
  Match sa;
  sa.service_accounts = {{"shop", "client"}};
  CHECK(holds(sa, from(kClient)));
  CHECK(holds(sa, from("spiffe://other.domain/ns/shop/sa/client")));
  CHECK_FALSE(holds(sa, from("spiffe://cluster.local/ns/shop/sa/other")));
  CHECK_FALSE(holds(sa, from(nullptr)));
  Match not_sa;
  not_sa.not_service_accounts = {{"shop", "client"}};
  CHECK_FALSE(holds(not_sa, from(kClient)));
  CHECK(holds(not_sa, from(nullptr)));
}

TEST_CASE("addresses match by prefix and never across families") {
  Match m;
  m.source_ips = {*IpPrefix::parse("10.0.0.0/24")};
  CHECK(holds(m, from(kClient, "10.0.0.255")));
  CHECK_FALSE(holds(m, from(kClient, "10.0.1.0")));
  CHECK_FALSE(holds(m, from(kClient, "fd00::1")));
  Match d;
  d.destination_ips = {*IpPrefix::parse("fd00::/64")};
  CHECK(holds(d, from(kClient, "10.0.0.9", "[fd00::1]:80")));
  CHECK_FALSE(holds(d, from(kClient, "10.0.0.9", "10.0.0.1:80")));
}

TEST_CASE("the fields of a match must all hold, the values of a field are alternatives") {
  auto m = principal(Kind::kSuffix, "/sa/client");
  m.destination_ports = {80, 8080};
  CHECK(holds(m, from(kClient)));
  CHECK_FALSE(holds(m, from(kClient, "10.0.0.9", "10.0.0.1:81")));
  m.not_source_ips = {*IpPrefix::parse("10.0.0.9")};
  CHECK_FALSE(holds(m, from(kClient)));
}

TEST_CASE("a value wins over nothing: the not_ form of the same field still refuses") {
  Match m;
  m.destination_ports = {8080};
  m.not_destination_ports = {8080};
  CHECK_FALSE(holds(m, from(kClient)));
}

TEST_CASE("clauses must all hold, matches of a clause and rules are alternatives") {
  Match port80, port8080;
  port80.destination_ports = {80};
  port8080.destination_ports = {8080};
  const auto client = principal(Kind::kSuffix, "/sa/client");
  const auto other = principal(Kind::kSuffix, "/sa/other");
  Policy p;
  p.rules = {Rule{{Clause{{port80, port8080}}, Clause{{client}}}}};
  CHECK(matches(p, from(kClient)));
  p.rules = {Rule{{Clause{{port8080}}, Clause{{other}}}}};
  CHECK_FALSE(matches(p, from(kClient)));
  p.rules.push_back(Rule{{Clause{{client}}}});
  CHECK(matches(p, from(kClient)));
}

TEST_CASE("without any policy a connection is allowed") {
  const auto v = ask({}, from(nullptr), pod("web", "10.0.0.1"));
  CHECK(v.allowed);
  CHECK(v.reason == Reason::kNoPolicy);
  CHECK(v.policy.empty());
}

TEST_CASE("an ALLOW policy that matches nothing refuses everything else") {
  auto p = policy(Policy::Action::kAllow, {}, "deny-all");
  p.rules.clear();
  const auto v = ask({p}, from(kClient), pod("web", "10.0.0.1"));
  CHECK_FALSE(v.allowed);
  CHECK(v.reason == Reason::kNotAllowed);
  CHECK(v.policy == "shop/deny-all");
}

TEST_CASE("DENY wins over ALLOW whatever their scope, and its name is told") {
  auto deny = policy(Policy::Action::kDeny, {principal(Kind::kPresence, "")}, "no");
  auto allow = policy(Policy::Action::kAllow, {principal(Kind::kPresence, "")}, "yes");
  auto destination = pod("web", "10.0.0.1");
  for (auto scope : {Policy::Scope::kGlobal, Policy::Scope::kNamespace, Policy::Scope::kWorkload}) {
    deny.scope = scope;
    destination.policies.clear();
    if (scope == Policy::Scope::kWorkload) destination.policies = {"shop/no"};
    const auto v = ask({allow, deny}, from(kClient), destination);
    CHECK_FALSE(v.allowed);
    CHECK(v.reason == Reason::kDenied);
    CHECK(v.policy == "shop/no");
    CHECK_FALSE(ask({allow, deny}, from(nullptr), destination).allowed);  // ALLOW does not match
  }
}

TEST_CASE("one ALLOW that matches is enough") {
  auto never = policy(Policy::Action::kAllow, {}, "a");
  never.rules.clear();
  auto yes = policy(Policy::Action::kAllow, {principal(Kind::kSuffix, "/client")}, "b");
  const auto v = ask({never, yes}, from(kClient), pod("web", "10.0.0.1"));
  CHECK(v.allowed);
  CHECK(v.policy == "shop/b");
}

TEST_CASE("a policy concerns only its scope") {
  auto p = policy(Policy::Action::kDeny, {principal(Kind::kPresence, "")});
  auto elsewhere = pod("web", "10.0.0.1");
  elsewhere.ns = "other";
  CHECK(ask({p}, from(kClient), elsewhere).allowed);
  p.scope = Policy::Scope::kWorkload;
  CHECK(ask({p}, from(kClient), pod("web", "10.0.0.1")).allowed);
  p.scope = Policy::Scope::kGlobal;
  CHECK_FALSE(ask({p}, from(kClient), elsewhere).allowed);
}

TEST_CASE("a workload that names a policy not yet known is refused, even when others allow") {
  auto destination = pod("web", "10.0.0.1");
  destination.policies = {"shop/late"};
  auto allow = policy(Policy::Action::kAllow, {principal(Kind::kPresence, "")}, "yes");
  const auto v = ask({allow}, from(kClient), destination);
  CHECK_FALSE(v.allowed);
  CHECK(v.reason == Reason::kUnknownPolicy);
  CHECK(v.policy == "shop/late");
}

TEST_CASE("dry-run policies decide nothing") {
  auto deny = policy(Policy::Action::kDeny, {principal(Kind::kPresence, "")}, "d");
  deny.dry_run = true;
  auto allow = policy(Policy::Action::kAllow, {}, "a");
  allow.rules.clear();
  allow.dry_run = true;
  const auto v = ask({deny, allow}, from(kClient), pod("web", "10.0.0.1"));
  CHECK(v.allowed);
  CHECK(v.reason == Reason::kNoPolicy);
}
