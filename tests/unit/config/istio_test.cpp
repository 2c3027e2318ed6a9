// Istio's objects: accepted forms, and what is refused with which words.
#include <doctest/doctest.h>

#include "culvert/config/parse.hpp"
#include "istio_objects.pb.h"

using namespace culvert;
using namespace culvert::config;
namespace istio_api = culvert::api::istio;
namespace v1 = istio::security::v1beta1;

namespace {

ParsedFile policy(const std::string& spec) {
  return parse_file("p.yaml",
                    "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\n"
                    "metadata: {name: p, namespace: shop}\n" +
                        spec);
}

ParsedFile authn(const std::string& spec) {
  return parse_file("p.yaml",
                    "apiVersion: security.istio.io/v1beta1\nkind: PeerAuthentication\n"
                    "metadata: {name: p, namespace: shop}\n" +
                        spec);
}

std::string first(const ParsedFile& file) {
  REQUIRE_FALSE(file.diagnostics.empty());
  const auto& d = file.diagnostics[0];
  return d.field + ": " + d.reason;
}

}  // namespace

TEST_CASE("policies as Istio's documentation writes them are accepted") {
  for (const char* spec : {
           "",
           "spec: {}\n",
           "spec:\n  rules: [{}]\n",
           "spec:\n  action: DENY\n  rules:\n  - from: [{source: {notPrincipals: [\"*\"]}}]\n",
           "spec:\n  selector: {matchLabels: {app: web, version: v1}}\n  action: ALLOW\n  rules:\n"
           "  - from:\n    - source: {principals: [\"cluster.local/ns/default/sa/sleep\"]}\n"
           "    - source: {namespaces: [\"dev\", \"test-*\"]}\n"
           "    to: [{operation: {methods: [GET], paths: [\"/info*\"], ports: [\"8080\"]}}]\n"
           "    when:\n    - {key: \"request.auth.claims[iss]\", values: [\"https://a\"]}\n",
           "spec:\n  action: CUSTOM\n  provider: {name: my-ext}\n  rules: [{}]\n",
           "spec:\n  targetRefs: [{kind: Gateway, group: gateway.networking.k8s.io, name: w}]\n",
           "spec:\n  rules: [{from: [{source: {serviceAccounts: [web, shop/api]}}]}]\n",
           "spec:\n  rules: [{when: [{key: source.ip, notValues: [10.0.0.0/8]}]}]\n",
       }) {
    CAPTURE(spec);
    const auto file = policy(spec);
    for (const auto& d : file.diagnostics) MESSAGE(d.to_string());
    CHECK(file.diagnostics.empty());
    CHECK(file.objects.size() == 1);
  }
}

TEST_CASE("a mistake in a policy refuses it and names the field") {
  struct Case {
    const char* spec;
    const char* text;
  };
  const Case cases[] = {
      {"{action: Deny, rules: [{}]}", "spec.action: unknown value \"Deny\""},
      {"{action: DENY}", "spec.rules: a DENY policy without rules would have no effect"},
      {"{rulez: [{}]}", "spec.rulez: unknown field"},
      {"{rules: [{from: [{principals: [a]}]}]}", "spec.rules[0].from[0].principals: unknown field"},
      {"{rules: [{from: [{}]}]}", "spec.rules[0].from[0].source: is required"},
      {"{rules: [{from: [{source: {}}]}]}",
       "spec.rules[0].from[0].source: needs at least one field"},
      {"{rules: [{to: [{operation: {}}]}]}",
       "spec.rules[0].to[0].operation: needs at least one field"},
      {"{rules: [{from: [{source: {principals: [\"a*b\"]}}]}]}",
       "spec.rules[0].from[0].source.principals[0]: a \"*\" may only stand once, at the start or "
       "the "
       "end"},
      {"{rules: [{from: [{source: {principals: [\"*a*\"]}}]}]}",
       "spec.rules[0].from[0].source.principals[0]: a \"*\" may only stand once, at the start or "
       "the "
       "end"},
      {"{rules: [{from: [{source: {principals: [\"spiffe://a/ns/b/sa/c\"]}}]}]}",
       "spec.rules[0].from[0].source.principals[0]: is compared without \"spiffe://\" and would "
       "never match"},
      {"{rules: [{from: [{source: {namespaces: [\"\"]}}]}]}",
       "spec.rules[0].from[0].source.namespaces[0]: must not be empty"},
      {"{rules: [{from: [{source: {ipBlocks: [10.0.0.0/33]}}]}]}",
       "spec.rules[0].from[0].source.ipBlocks[0]: must be an IP address or a network such as "
       "\"10.0.0.0/8\""},
      {"{rules: [{from: [{source: {serviceAccounts: [\"web*\"]}}]}]}",
       "spec.rules[0].from[0].source.serviceAccounts[0]: must be a service account or "
       "NAMESPACE/ACCOUNT, no wildcards"},
      {"{rules: [{from: [{source: {serviceAccounts: [web], namespaces: [a]}}]}]}",
       "spec.rules[0].from[0].source: cannot have service accounts together with principals or "
       "namespaces"},
      {"{rules: [{to: [{operation: {ports: [\"0\"]}}]}]}",
       "spec.rules[0].to[0].operation.ports[0]: must be a port from 1 to 65535"},
      {"{rules: [{to: [{operation: {ports: [8080]}}]}]}",
       "spec.rules[0].to[0].operation.ports[0]: expected a string, got a number: put it in quotes"},
      {"{rules: [{when: [{key: source.ipp, values: [a]}]}]}",
       "spec.rules[0].when[0].key: unknown attribute \"source.ipp\""},
      {"{rules: [{when: [{key: source.ip}]}]}", "spec.rules[0].when[0]: needs values or notValues"},
      {"{rules: [{when: [{key: destination.port, values: [http]}]}]}",
       "spec.rules[0].when[0].values[0]: must be a port from 1 to 65535"},
      {"{action: CUSTOM, rules: [{}]}", "spec.provider.name: is required for the action CUSTOM"},
      {"{provider: {name: a}}", "spec.provider: is only allowed for the action CUSTOM"},
      {"{selector: {matchLabels: {a: b}}, targetRefs: [{kind: Service, name: a}]}",
       "spec: only one of selector, targetRef and targetRefs may be set"},
      {"{selector: {matchLabels: {a: \"\"}}}",
       "spec.selector.matchLabels[\"a\"]: must not be empty"},
      {"{selector: {matchLabels: [a]}}",
       "spec.selector.matchLabels: expected a mapping, got a list"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.spec);
    const auto file = policy(std::string("spec: ") + c.spec + "\n");
    CHECK(first(file) == c.text);
    CHECK(file.objects.empty());
    CHECK(file.refused.size() == 1);
  }
}

TEST_CASE("near names are suggested inside policies") {
  CHECK(policy("spec: {rules: [{when: [{key: source.ipp, values: [a]}]}]}\n")
            .diagnostics[0]
            .suggestion == "source.ip");
  CHECK(policy("spec: {action: Deny, rules: [{}]}\n").diagnostics[0].suggestion == "DENY");
  CHECK(policy("spec: {rulez: [{}]}\n").diagnostics[0].suggestion == "rules");
}

TEST_CASE("peer authentication is read with its ports") {
  const auto file = authn(
      "spec:\n  selector: {matchLabels: {app: web}}\n  mtls: {mode: STRICT}\n  portLevelMtls:\n"
      "    8080: {mode: DISABLE}\n    \"9090\": {mode: PERMISSIVE}\n");
  REQUIRE(file.objects.size() == 1);
  const auto& spec = message_as<istio_api::PeerAuthentication>(*file.objects[0]).spec();
  CHECK(spec.mtls().mode() == v1::PeerAuthentication::MutualTLS::STRICT);
  CHECK(spec.port_level_mtls().at(8080).mode() == v1::PeerAuthentication::MutualTLS::DISABLE);
  CHECK(spec.port_level_mtls().at(9090).mode() == v1::PeerAuthentication::MutualTLS::PERMISSIVE);
}

TEST_CASE("mistakes in peer authentication are refused") {
  CHECK(first(authn("spec: {mtls: {mode: strict}}\n")) ==
        "spec.mtls.mode: unknown value \"strict\"");
  CHECK(first(authn("spec: {mtls: {mode: 3}}\n")) ==
        "spec.mtls.mode: expected a string, got a number");
  CHECK(first(authn("spec: {portLevelMtls: {80: {mode: STRICT}}}\n")) ==
        "spec.portLevelMtls: needs a selector with labels");
  CHECK(first(authn("spec: {selector: {matchLabels: {a: b}}, portLevelMtls: {70000: {mode: "
                    "STRICT}}}\n")) ==
        "spec.portLevelMtls[\"70000\"]: must be a port from 1 to 65535");
  CHECK(first(authn("spec: {selector: {matchLabels: {a: b}}, portLevelMtls: {http: {mode: "
                    "STRICT}}}\n")) ==
        "spec.portLevelMtls[\"http\"]: expected a whole number, got a string");
}
