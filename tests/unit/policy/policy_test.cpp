// From YAML to verdicts: what people write, and what a connection is told.
#include <doctest/doctest.h>

#include "authorization.pb.h"
#include "culvert/config/object_store.hpp"
#include "culvert/mesh/snapshot.hpp"
#include "culvert/policy/policy_set.hpp"
#include "culvert/xds/resources.hpp"

using namespace culvert;
using namespace culvert::policy;

namespace {

std::string authz(const std::string& name, const std::string& spec, const std::string& ns = "shop",
                  const std::string& metadata = "") {
  return "---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: " +
         name + ", namespace: " + ns + metadata + "}\nspec: " + spec + "\n";
}

std::string authn(const std::string& name, const std::string& spec, const std::string& ns = "shop",
                  const std::string& metadata = "") {
  return "---\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: " +
         name + ", namespace: " + ns + metadata + "}\nspec: " + spec + "\n";
}

PolicySet compiled(const std::string& yaml) {
  config::ObjectStore store;
  const auto report = store.load({config::parse_file("p.yaml", yaml)});
  for (const auto& d : report.diagnostics) MESSAGE(d.to_string());
  REQUIRE(report.diagnostics.empty());
  return PolicySet(*store.objects(), "istio-system");
}

const Labels kWeb = {{"app", "web"}};

/// Asks as ztunnel would: resources over the wire into the model, the workload named as compiled.
mesh::Verdict ask(const PolicySet& set, const char* source, const char* destination,
                  const char* source_ip = "10.0.0.9", const std::string& ns = "shop",
                  const Labels& labels = kWeb) {
  mesh::Delta delta;
  for (const auto& a : set.authorizations()) {
    auto parsed = xds::parse_authorization(a.message->SerializeAsString());
    REQUIRE(parsed);
    CHECK(parsed->key() == a.name);
    delta.policies.push_back(std::move(*parsed));
  }
  const auto snapshot = apply(mesh::Snapshot(), std::move(delta));
  mesh::Workload w;
  w.ns = ns;
  w.policies = set.names_for(ns, labels);
  mesh::Connection c;
  if (source) c.source = mesh::Identity::parse(source);
  c.source_ip = *IpAddress::parse(source_ip);
  c.destination = *SocketAddress::parse(destination);
  return authorize(*snapshot, w, c);
}

bool allowed(const std::string& yaml, const char* source, const char* destination = "10.0.0.1:8080",
             const char* source_ip = "10.0.0.9") {
  return ask(compiled(yaml), source, destination, source_ip).allowed;
}

const config::Condition& condition(const PolicySet& set, const std::string& name) {
  for (const auto& c : set.conditions()) {
    if (c.object.name == name) return c;
  }
  FAIL("no condition of " << name);
  return set.conditions().front();
}

constexpr const char* kClient = "spiffe://cluster.local/ns/shop/sa/client";
constexpr const char* kOther = "spiffe://cluster.local/ns/other/sa/intruder";

}  // namespace

TEST_CASE("ALLOW without rules allows nothing, with an empty rule everything") {
  CHECK_FALSE(allowed(authz("p", "{}"), kClient));
  CHECK_FALSE(allowed(authz("p", "{action: ALLOW, rules: []}"), kClient));
  CHECK(allowed(authz("p", "{rules: [{}]}"), kClient));
  CHECK(allowed(authz("p", "{rules: [{}]}"), nullptr));
  CHECK_FALSE(allowed(authz("p", "{action: DENY, rules: [{}]}"), kClient));
}

TEST_CASE("every L4 field of a source decides, and so does its not form") {
  struct Case {
    const char* source;
    bool client, other, nobody;
  };
  const Case cases[] = {
      {"principals: [\"cluster.local/ns/shop/sa/client\"]", true, false, false},
      {"principals: [\"cluster.local/ns/shop/*\"]", true, false, false},
      {"principals: [\"*/sa/client\"]", true, false, false},
      {"principals: [\"*\"]", true, true, false},
      {"notPrincipals: [\"*\"]", false, false, true},
      {"notPrincipals: [\"*/sa/client\"]", false, true, true},
      {"namespaces: [shop]", true, false, false},
      {"namespaces: [\"sh*\", \"x\"]", true, false, false},
      {"notNamespaces: [shop]", false, true, true},
      {"serviceAccounts: [client]", true, false, false},
      {"serviceAccounts: [other/intruder]", false, true, false},
      {"notServiceAccounts: [client]", false, true, true},
      {"ipBlocks: [10.0.0.0/24]", true, true, true},
      {"ipBlocks: [10.0.1.0/24, 10.0.0.9]", true, true, true},
      {"ipBlocks: [\"fd00::/8\"]", false, false, false},
      {"notIpBlocks: [10.0.0.0/8]", false, false, false},
      {"namespaces: [shop], notPrincipals: [\"*/sa/client\"]", false, false, false},
  };
  for (const auto& c : cases) {
    CAPTURE(c.source);
    const auto yaml = authz("p", std::string("{rules: [{from: [{source: {") + c.source + "}}]}]}");
    CHECK(allowed(yaml, kClient) == c.client);
    CHECK(allowed(yaml, kOther) == c.other);
    CHECK(allowed(yaml, nullptr) == c.nobody);
  }
}

TEST_CASE("ports and conditions decide") {
  struct Case {
    const char* rule;
    bool port8080, port9090;
  };
  const Case cases[] = {
      {"to: [{operation: {ports: [\"8080\"]}}]", true, false},
      {"to: [{operation: {notPorts: [\"8080\"]}}]", false, true},
      {"to: [{operation: {ports: [\"1\"]}}, {operation: {ports: [\"9090\"]}}]", false, true},
      {"when: [{key: destination.port, values: [\"8080\"]}]", true, false},
      {"when: [{key: destination.port, notValues: [\"8080\"]}]", false, true},
      {"when: [{key: destination.ip, values: [10.0.0.1]}]", true, true},
      {"when: [{key: destination.ip, notValues: [10.0.0.0/8]}]", false, false},
      {"when: [{key: source.ip, values: [10.0.0.9/32]}]", true, true},
      {"when: [{key: source.namespace, values: [shop]}]", true, true},
      {"when: [{key: source.principal, notValues: [\"*/sa/client\"]}]", false, false},
      {"when: [{key: source.namespace, values: [shop]}, {key: destination.port, values: "
       "[\"9090\"]}]",
       false, true},
      {"from: [{source: {namespaces: [shop]}}], to: [{operation: {ports: [\"8080\"]}}]", true,
       false},
  };
  for (const auto& c : cases) {
    CAPTURE(c.rule);
    const auto yaml = authz("p", std::string("{rules: [{") + c.rule + "}]}");
    CHECK(allowed(yaml, kClient, "10.0.0.1:8080") == c.port8080);
    CHECK(allowed(yaml, kClient, "10.0.0.1:9090") == c.port9090);
  }
}

TEST_CASE("DENY is asked before ALLOW and is named") {
  const auto set = compiled(authz("open", "{rules: [{}]}") +
                            authz("shut",
                                  "{action: DENY, rules: [{from: [{source: {namespaces: "
                                  "[other]}}]}]}"));
  CHECK(ask(set, kClient, "10.0.0.1:1").allowed);
  const auto v = ask(set, kOther, "10.0.0.1:1");
  CHECK_FALSE(v.allowed);
  CHECK(v.policy == "shop/shut");
}

TEST_CASE("a policy reaches its namespace, the root namespace's everyone, a selector its pods") {
  const std::string spec = "{action: DENY, rules: [{}]}";
  const std::string selecting = "{selector: {matchLabels: {app: web}}, action: DENY, rules: [{}]}";
  const auto refused = [](const std::string& yaml, const std::string& ns, const Labels& labels) {
    return !ask(compiled(yaml), kClient, "10.0.0.1:1", "10.0.0.9", ns, labels).allowed;
  };
  CHECK(refused(authz("p", spec), "shop", {}));
  CHECK_FALSE(refused(authz("p", spec), "other", {}));
  CHECK(refused(authz("p", spec, "istio-system"), "other", {}));
  CHECK(refused(authz("p", selecting), "shop", kWeb));
  CHECK_FALSE(refused(authz("p", selecting), "shop", {{"app", "db"}}));
  CHECK_FALSE(refused(authz("p", selecting), "other", kWeb));
  CHECK(refused(authz("p", selecting, "istio-system"), "other", kWeb));
  CHECK(refused(authz("p", "{selector: {}, action: DENY, rules: [{}]}"), "shop", {}));
}

TEST_CASE("an ALLOW rule with HTTP fields matches nothing, the other rules still do") {
  const auto yaml = authz("p",
                          "{rules: [{from: [{source: {namespaces: [shop]}}], to: [{operation: "
                          "{methods: [GET]}}]}, {from: [{source: {namespaces: [other]}}]}]}");
  CHECK_FALSE(allowed(yaml, kClient));
  CHECK(allowed(yaml, kOther));
  const auto set = compiled(yaml);
  const auto& c = condition(set, "p");
  CHECK_FALSE(c.status);
  CHECK(c.reason == "UnsupportedFields");
  CHECK(c.message ==
        "spec.rules[0].to[0].operation.methods need HTTP, which only a waypoint reads; here their "
        "rules match nothing, so that less is allowed than written");
}

TEST_CASE("an ALLOW policy of nothing but HTTP rules allows nothing") {
  for (const char* rule : {"to: [{operation: {paths: [\"/a\"]}}]",
                           "when: [{key: \"request.headers[x]\", values: [a]}]",
                           "from: [{source: {requestPrincipals: [\"*\"]}}]",
                           "from: [{source: {remoteIpBlocks: [10.0.0.9]}}]",
                           "when: [{key: connection.sni, values: [a]}]"}) {
    CAPTURE(rule);
    CHECK_FALSE(allowed(authz("p", std::string("{rules: [{") + rule + "}]}"), kClient));
  }
}

TEST_CASE("HTTP fields drop out of DENY, which then matches wider") {
  const auto deny = [](const std::string& rule) {
    return authz("p", "{action: DENY, rules: [{" + rule + "}]}");
  };
  CHECK_FALSE(allowed(deny("to: [{operation: {methods: [DELETE]}}]"), kClient));
  const auto with_source =
      deny("from: [{source: {namespaces: [other]}}], to: [{operation: {methods: [DELETE]}}]");
  CHECK(allowed(with_source, kClient));
  CHECK_FALSE(allowed(with_source, kOther));
  const auto with_port = deny("to: [{operation: {ports: [\"8080\"], paths: [\"/x\"]}}]");
  CHECK_FALSE(allowed(with_port, kClient, "10.0.0.1:8080"));
  CHECK(allowed(with_port, kClient, "10.0.0.1:9090"));
  const auto either = deny("to: [{operation: {ports: [\"1\"]}}, {operation: {hosts: [a]}}]");
  CHECK_FALSE(allowed(either, kClient));
  const auto when = deny(
      "when: [{key: \"request.headers[x]\", values: [a]}, {key: source.namespace, values: "
      "[other]}]");
  CHECK(allowed(when, kClient));
  CHECK_FALSE(allowed(when, kOther));
  const auto set = compiled(with_port);
  CHECK_FALSE(condition(set, "p").status);
  CHECK(condition(set, "p").message.ends_with(
      "they are left out, so that more is denied than written"));
}

TEST_CASE("CUSTOM denies what it would have asked about, AUDIT does nothing, both say so") {
  const auto custom =
      authz("p",
            "{action: CUSTOM, provider: {name: x}, rules: [{to: [{operation: {ports: "
            "[\"8080\"]}}]}]}");
  CHECK_FALSE(allowed(custom, kClient, "10.0.0.1:8080"));
  CHECK(allowed(custom, kClient, "10.0.0.1:9090"));
  const auto set = compiled(custom);
  CHECK(condition(set, "p").reason == "UnsupportedAction");
  const auto audit = compiled(authz("p", "{action: AUDIT, rules: [{}]}"));
  CHECK(audit.authorizations().empty());
  CHECK_FALSE(condition(audit, "p").status);
}

TEST_CASE("policies with targetRefs are not for ztunnel") {
  const auto set = compiled(authz("p",
                                  "{action: DENY, targetRefs: [{kind: Service, group: \"\", name: "
                                  "web}], rules: [{}]}"));
  CHECK(set.authorizations().empty());
  CHECK(condition(set, "p").status);
  CHECK(condition(set, "p").reason == "BoundToTargets");
}

TEST_CASE("a dry-run policy is sent as such and enforces nothing") {
  CHECK(allowed(authz("p", "{action: DENY, rules: [{}]}", "shop",
                      ", annotations: {istio.io/dry-run: \"true\"}"),
                kClient));
}

namespace {

/// Which of plaintext to 8080, plaintext to 9090 pass a workload labelled app=web in `shop`.
std::pair<bool, bool> plaintext(const std::string& yaml) {
  const auto set = compiled(yaml);
  CHECK(ask(set, kClient, "10.0.0.1:8080").allowed);  // a certificate always passes
  return {ask(set, nullptr, "10.0.0.1:8080").allowed, ask(set, nullptr, "10.0.0.1:9090").allowed};
}

constexpr const char* kSelector = "selector: {matchLabels: {app: web}}";
std::string mode(const char* m) {
  return std::string("{mtls: {mode: ") + m + "}}";
}
std::string web(const std::string& rest) {
  return std::string("{") + kSelector + ", " + rest + "}";
}

}  // namespace

TEST_CASE("peer authentication is inherited from mesh to namespace to workload to port") {
  using Result = std::pair<bool, bool>;
  const auto mesh = [](const char* m) { return authn("mesh", mode(m), "istio-system"); };
  const auto ns = [](const char* m) { return authn("ns", mode(m)); };
  const Result both{true, true}, none{false, false}, only9090{false, true}, only8080{true, false};
  struct Case {
    std::string yaml;
    Result expected;
  };
  const Case cases[] = {
      {mesh("PERMISSIVE"), both},
      {mesh("STRICT"), none},
      {mesh("DISABLE"), both},
      {mesh("UNSET"), both},
      {authn("mesh", "{}", "istio-system"), both},
      {mesh("STRICT") + ns("PERMISSIVE"), both},
      {mesh("STRICT") + ns("DISABLE"), both},
      {mesh("STRICT") + ns("UNSET"), none},
      {mesh("PERMISSIVE") + ns("STRICT"), none},
      {ns("STRICT") + authn("w", web("mtls: {mode: PERMISSIVE}")), both},
      {ns("STRICT") + authn("w", web("mtls: {mode: DISABLE}")), both},
      {ns("STRICT") + authn("w", web("mtls: {mode: UNSET}")), none},
      {ns("PERMISSIVE") + authn("w", web("mtls: {mode: STRICT}")), none},
      {authn("w", "{selector: {matchLabels: {app: db}}, mtls: {mode: STRICT}}"), both},
      {authn("w", web("mtls: {mode: STRICT}"), "other"), both},
      {authn("w", web("mtls: {mode: STRICT}, portLevelMtls: {9090: {mode: PERMISSIVE}}")),
       only9090},
      {authn("w", web("mtls: {mode: STRICT}, portLevelMtls: {9090: {mode: DISABLE}}")), only9090},
      {authn("w", web("mtls: {mode: STRICT}, portLevelMtls: {9090: {mode: STRICT}}")), none},
      {authn("w", web("mtls: {mode: STRICT}, portLevelMtls: {9090: {mode: UNSET}}")), none},
      {authn("w",
             web("mtls: {mode: STRICT}, portLevelMtls: {9090: {mode: PERMISSIVE}, 8080: {mode: "
                 "DISABLE}}")),
       both},
      {authn("w", web("mtls: {mode: PERMISSIVE}, portLevelMtls: {9090: {mode: STRICT}}")),
       only8080},
      {authn("w", web("mtls: {mode: DISABLE}, portLevelMtls: {8080: {mode: STRICT}}")), only9090},
      {authn("w", web("portLevelMtls: {9090: {mode: STRICT}, 8080: {mode: PERMISSIVE}}")),
       only8080},
      {mesh("STRICT") + authn("w", web("portLevelMtls: {9090: {mode: PERMISSIVE}}")), only9090},
      {mesh("STRICT") + authn("w", web("portLevelMtls: {9090: {mode: DISABLE}}")), only9090},
      {mesh("STRICT") + ns("PERMISSIVE") + authn("w", web("portLevelMtls: {8080: {mode: STRICT}}")),
       only9090},
      {mesh("PERMISSIVE") + ns("STRICT") +
           authn("w", web("mtls: {mode: PERMISSIVE}, portLevelMtls: {8080: {mode: STRICT}}")),
       only9090},
  };
  for (const auto& c : cases) {
    CAPTURE(c.yaml);
    CHECK(plaintext(c.yaml) == c.expected);
  }
}

TEST_CASE("of several at one level the oldest wins, and the others are told") {
  const auto old_strict =
      authn("b", mode("STRICT"), "shop", ", creationTimestamp: 2026-01-01T00:00:00Z");
  const auto new_open =
      authn("a", mode("DISABLE"), "shop", ", creationTimestamp: 2026-02-01T00:00:00Z");
  const auto set = compiled(new_open + old_strict);
  CHECK_FALSE(ask(set, nullptr, "10.0.0.1:80").allowed);
  CHECK(condition(set, "b").status);
  CHECK(condition(set, "a").reason == "Conflicted");
  CHECK(compiled(authn("b", mode("STRICT")) + authn("a", mode("DISABLE")))
            .mtls_for("shop", {})
            .mode == MtlsMode::kDisable);  // equally old: the first by name
}

TEST_CASE("strict mode has istiod's names and shape") {
  const auto set = compiled(authn("mesh", mode("STRICT"), "istio-system") +
                            authn("w", web("portLevelMtls: {9090: {mode: PERMISSIVE}}")));
  REQUIRE(set.authorizations().size() == 2);
  CHECK(set.authorizations()[0].name == "istio-system/istio_converted_static_strict");
  CHECK(set.authorizations()[1].name == "shop/converted_peer_authentication_w");
  CHECK(set.names_for("shop", kWeb) ==
        std::vector<std::string>{"shop/converted_peer_authentication_w"});
  CHECK(set.names_for("shop", {}) ==
        std::vector<std::string>{"istio-system/istio_converted_static_strict"});
  const auto& strict = *set.authorizations()[0].message;
  CHECK(strict.action() == istio::security::DENY);
  CHECK(strict.scope() == istio::security::WORKLOAD_SELECTOR);
  CHECK(strict.rules(0).clauses(0).matches(0).not_principals(0).has_presence());
  CHECK(ask(set, nullptr, "10.0.0.1:1").policy == "shop/converted_peer_authentication_w");
}

TEST_CASE("a selector in the root namespace has no effect and is told so") {
  const auto set = compiled(authn("w", web("mtls: {mode: STRICT}"), "istio-system"));
  CHECK(condition(set, "w").reason == "SelectorInRootNamespace");
  CHECK(set.authorizations().empty());
}

TEST_CASE("ports that differ from the workload's mode are told apart") {
  const auto set = compiled(authn(
      "w", web("mtls: {mode: STRICT}, portLevelMtls: {1: {mode: DISABLE}, 2: {mode: STRICT}}")));
  const auto mtls = set.mtls_for("shop", kWeb);
  CHECK(mtls.mode == MtlsMode::kStrict);
  CHECK(mtls.ports == std::map<std::uint16_t, MtlsMode>{{1, MtlsMode::kDisable}});
}
