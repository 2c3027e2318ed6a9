// networking.istio.io: accepted forms, and what is refused with which words and suggestions.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include "culvert/config/parse.hpp"
#include "gateway_api.pb.h"
#include "istio_objects.pb.h"

using namespace culvert;
using namespace culvert::config;
namespace istio_api = culvert::api::istio;

namespace {

ParsedFile object(const std::string& kind, const std::string& spec,
                  const std::string& version = "networking.istio.io/v1") {
  return parse_file("p.yaml", "apiVersion: " + version + "\nkind: " + kind +
                                  "\nmetadata: {name: p, namespace: shop}\nspec:\n" + spec);
}

/// A VirtualService with one rule, in flow style; `rest` is added to a plain route.
ParsedFile rule(const std::string& rest) {
  return object(
      "VirtualService",
      "  hosts: [reviews]\n  http:\n  - {route: [{destination: {host: reviews}}], " + rest + "}\n");
}

std::string first(const ParsedFile& file) {
  REQUIRE_FALSE(file.diagnostics.empty());
  const auto& d = file.diagnostics[0];
  return d.field + ": " + d.reason;
}

std::string suggestion(const ParsedFile& file) {
  REQUIRE_FALSE(file.diagnostics.empty());
  return file.diagnostics[0].suggestion;
}

void check_accepted(const ParsedFile& file) {
  for (const auto& d : file.diagnostics) MESSAGE(d.to_string());
  CHECK(file.diagnostics.empty());
  CHECK(file.objects.size() == 1);
}

struct Refused {
  const char* text;
  const char* says;
};

}  // namespace

TEST_CASE("all three versions of a VirtualService read alike") {
  std::string bytes;
  for (const char* version : {"v1", "v1beta1", "v1alpha3"}) {
    CAPTURE(version);
    const auto file =
        object("VirtualService",
               "  hosts: [reviews]\n  http: [{route: [{destination: {host: reviews}}]}]\n",
               std::string("networking.istio.io/") + version);
    check_accepted(file);
    const auto& spec = message_as<istio_api::VirtualService>(*file.objects[0]).spec();
    if (!bytes.empty()) CHECK(spec.SerializeAsString() == bytes);
    bytes = spec.SerializeAsString();
  }
}

TEST_CASE("rules as Istio's documentation writes them are accepted") {
  for (const char* rest : {
           "name: a, match: [{uri: {prefix: /x}}, {headers: {end-user: {exact: jason}}}]",
           "match: [{headers: {cookie: {regex: \"^(.*?;)?(user=jason)(;.*)?$\"}}}]",
           "match: [{queryParams: {v: {exact: \"\"}}, withoutHeaders: {x: {}}, port: 80}]",
           "match: [{sourceLabels: {app: web}, sourceNamespace: shop, gateways: [mesh, "
           "shop/edge]}]",
           "fault: {delay: {percentage: {value: 0.1}, fixedDelay: 5s}, abort: {httpStatus: 400, "
           "percentage: {value: 100}}}",
           "fault: {abort: {grpcStatus: NOT_FOUND, percentage: {value: 1}}}",
           "fault: {abort: {http2Error: REFUSED_STREAM, percentage: {value: 1}}}",
           "mirror: {host: reviews, subset: v2}, mirrorPercentage: {value: 50}",
           "mirrors: [{destination: {host: a}, percentage: {value: 1}}, {destination: {host: b}}]",
           "retries: {attempts: 3, perTryTimeout: 2s, retryOn: \"gateway-error,503, reset\"}",
           "retries: {attempts: 0}",
           "timeout: 0s",
           "rewrite: {uriRegexRewrite: {match: \"^/a/([^/]+)(/.*)$\", rewrite: \"\\\\2?x=\\\\1\"}}",
           "headers: {request: {set: {x: \"%REQ(:path)%\", Host: a}, remove: [y]}, response: {add: "
           "{z: \"100%%\"}}}",
           "corsPolicy: {allowOrigins: [{exact: https://a}], allowMethods: [GET], maxAge: 24h}",
       }) {
    CAPTURE(rest);
    check_accepted(rule(rest));
  }
  check_accepted(
      object("VirtualService",
             "  hosts: [\"*\"]\n  gateways: [edge]\n  exportTo: [\".\", web]\n"
             "  http:\n  - redirect: {uri: /x, redirectCode: 308, derivePort: "
             "FROM_REQUEST_PORT}\n  - directResponse: {status: 503, body: {string: none}}\n"));
}

TEST_CASE("misprints of slides and blogs are refused with a suggestion") {
  const auto letter = object("VirtualService", "  hosts: [a]\n", "networking.istio.io/vlalpha3");
  CHECK(first(letter) ==
        "apiVersion: VirtualService has no version \"networking.istio.io/vlalpha3\"");
  CHECK(suggestion(letter) == "networking.istio.io/v1alpha3");
  CHECK(letter.diagnostics[0].line == 1);

  const auto text = object(
      "VirtualService", "  hosts: reviews\n  http: [{route: [{destination: {host: reviews}}]}]\n");
  CHECK(first(text) == "spec.hosts: expected a list, got a string");
  CHECK(suggestion(text) == "[reviews]");
  CHECK(text.diagnostics[0].line == 5);

  const auto nested = object("VirtualService",
                             "  hosts: [reviews]\n  http:\n  - route:\n"
                             "    - destination: {host: reviews, subset: v1}\n"
                             "    - route:\n      - destination: {host: reviews}\n");
  CHECK(first(nested) == "spec.http[0].route[1].route: unknown field");
  CHECK(suggestion(nested) == "spec.http[].route");
  CHECK(nested.diagnostics[0].line == 9);

  const auto regex = rule("match: [{headers: {ua: {regex: \"^(.?*;)?(iPhone)(;.*)?$\"}}}]");
  CHECK(first(regex) ==
        "spec.http[0].match[0].headers[\"ua\"].regex: is not a regular expression (RE2): bad "
        "repetition operator: ?*");
  CHECK(suggestion(regex) == "^(.*?;)?(iPhone)(;.*)?$");
  for (const auto* file : {&letter, &text, &nested, &regex}) CHECK(file->objects.empty());
}

TEST_CASE("old forms mean what they meant, and leave nothing of themselves") {
  const auto file = rule(
      "fault: {delay: {percent: 10, fixedDelay: 5s}, abort: {percent: 20, httpStatus: 500}}, "
      "mirror: {host: a}, mirrorPercent: 30, corsPolicy: {allowOrigin: [\"*\", https://a]}");
  check_accepted(file);
  const auto& rule0 = message_as<istio_api::VirtualService>(*file.objects[0]).spec().http(0);
  CHECK(rule0.fault().delay().percentage().value() == 10);
  CHECK(rule0.fault().abort().percentage().value() == 20);
  CHECK(rule0.mirror_percentage().value() == 30);
  CHECK(rule0.cors_policy().allow_origins(0).regex() == ".*");
  CHECK(rule0.cors_policy().allow_origins(1).exact() == "https://a");
  CHECK(rule0.fault().delay().percent() == 0);
  CHECK(rule0.fault().abort().percent() == 0);
  CHECK_FALSE(rule0.has_mirror_percent());
  CHECK(rule0.cors_policy().allow_origin_size() == 0);

  const auto breaker =
      object("DestinationRule",
             "  host: a\n  trafficPolicy: {outlierDetection: {consecutiveErrors: 7}}\n");
  check_accepted(breaker);
  const auto& outlier = message_as<istio_api::DestinationRule>(*breaker.objects[0])
                            .spec()
                            .traffic_policy()
                            .outlier_detection();
  CHECK(outlier.consecutive_gateway_errors().value() == 7);
  CHECK(outlier.has_consecutive_5xx_errors());
  CHECK(outlier.consecutive_5xx_errors().value() == 0);
  CHECK(outlier.consecutive_errors() == 0);

  CHECK(first(rule("fault: {delay: {percent: 10, percentage: {value: 1}, fixedDelay: 5s}}")) ==
        "spec.http[0].fault.delay.percent: is the older form of percentage: only one may be set");
  CHECK(first(rule("fault: {abort: {percent: 101, httpStatus: 500}}")) ==
        "spec.http[0].fault.abort.percent: must be from 0 to 100");
}

const Refused kRules[] = {
    {"match: [{uri: {exact: a, prefix: b}}]",
     "match[0].uri.prefix: only one of exact and prefix may be set"},
    {"match: [{uri: {}}]", "match[0].uri: needs exact, prefix or regex"},
    {"match: [{uri: {prefix: \"\"}}]",
     "match[0].uri.prefix: must not be empty: to match presence, write {}"},
    {"match: [{method: {exact: \"\"}}]", "match[0].method.exact: must not be empty"},
    {"match: [{uri: {exact: \"/a?b=c\"}}]",
     "match[0].uri: is compared with the path alone and would never match with a "
     "query in it: use queryParams"},
    {"match: [{uri: {regex: a}, ignoreUriCase: true}]",
     "match[0].ignoreUriCase: has no effect on a regular expression: begin the "
     "expression with (?i)"},
    {"match: [{headers: {\"a b\": {}}}]",
     "match[0].headers[\"a b\"]: \"a b\" is not the name of a header"},
    {"match: [{headers: {\"@request.auth.claims.a\": {exact: b}}}]",
     "match[0].headers: claims of a JWT are not honoured yet"},
    {"match: [{gateways: [a/b/c]}]",
     "match[0].gateways[0]: must be \"mesh\", or a Gateway as NAME or NAMESPACE/NAME"},
    {"redirect: {uri: /a}", ": needs exactly one of route, redirect and directResponse"},
    {"delegate: {name: a}", "delegate: delegates are not honoured yet"},
    {"timeout: 100us", "timeout: must be at least 1ms"},
    {"timeout: 1500us", "timeout: must be in whole milliseconds"},
    {"timeout: 9000h", "timeout: must be at most a year"},
    {"retries: {perTryTimeout: 1s}",
     "retries.attempts: is required beside the other fields: without it nothing is "
     "tried again"},
    {"retries: {attempts: -1}", "retries.attempts: must not be negative"},
    {"retries: {attempts: 1, retryOn: 5x}", "retries.retryOn: unknown condition \"5x\""},
    {"retries: {attempts: 1, retryRemoteLocalities: true}",
     "retries.retryRemoteLocalities: locality is not honoured yet"},
    {"fault: {}", "fault: needs delay or abort"},
    {"fault: {delay: {percentage: {value: 1}}}", "fault.delay.fixedDelay: is required"},
    {"fault: {delay: {exponentialDelay: 1s}}",
     "fault.delay.exponentialDelay: only a fixedDelay is honoured, as with Istio"},
    {"fault: {delay: {fixedDelay: 1s, percentage: {value: 101}}}",
     "fault.delay.percentage.value: must be from 0 to 100"},
    {"fault: {abort: {httpStatus: 199}}", "fault.abort.httpStatus: must be from 200 to 599"},
    {"fault: {abort: {grpcStatus: NOTFOUND}}",
     "fault.abort.grpcStatus: unknown status \"NOTFOUND\""},
    {"fault: {abort: {http2Error: REFUSED}}", "fault.abort.http2Error: unknown error \"REFUSED\""},
    {"fault: {abort: {percentage: {value: 1}}}",
     "fault.abort: needs httpStatus, grpcStatus or http2Error"},
    {"rewrite: {}", "rewrite: needs uri, authority or uriRegexRewrite"},
    {"rewrite: {uriRegexRewrite: {match: a, rewrite: \"\\\\1\"}}",
     "rewrite.uriRegexRewrite.rewrite: Rewrite schema requests 1 matches, but the "
     "regexp only has 0 parenthesized subexpressions."},
    {"mirror: {host: a}, mirrors: [{destination: {host: b}}]",
     ": only one of mirror and mirrors may be set"},
    {"mirrorPercentage: {value: 1}", "mirrorPercentage: has no effect without mirror"},
    {"mirror: {host: \"*.a\"}", "mirror.host: must be one host, not a wildcard"},
    {"headers: {request: {set: {\":path\": a}}}",
     "headers.request.set[\":path\"]: \":path\" is no header, but a part of the request "
     "line"},
    {"headers: {response: {set: {host: a}}}",
     "headers.response.set[\"host\"]: the header \"host\" cannot be changed here"},
    {"headers: {request: {set: {Connection: close}}}",
     "headers.request.set[\"Connection\"]: the header \"Connection\" cannot be changed: each hop "
     "writes it for itself"},
    {"headers: {response: {remove: [x, content-length]}}",
     "headers.response.remove[1]: the header \"content-length\" cannot be changed: each hop writes "
     "it for itself"},
    {"headers: {request: {add: {x: \"%HOSTNAME%\"}}}",
     "headers.request.add[\"x\"]: the substitution %HOSTNAME% is not honoured"},
    {"headers: {request: {add: {x: \"5%\"}}}",
     "headers.request.add[\"x\"]: a single \"%\" starts a substitution: write \"%%\" for "
     "the sign"},
    {"rewrite: {authority: a}, headers: {request: {set: {HOST: b}}}",
     ": sets the authority in several places"},
    {"corsPolicy: {allowMethods: [get]}", "corsPolicy.allowMethods[0]: \"get\" is no method"},
    {"corsPolicy: {allowOrigins: [{}]}",
     "corsPolicy.allowOrigins[0]: needs exact, prefix or regex"},
    {"corsPolicy: {maxAge: 1.5s}", "corsPolicy.maxAge: must be in whole seconds"},
};

TEST_CASE("a mistake in a rule refuses the VirtualService and names the field") {
  for (const auto& c : kRules) {
    CAPTURE(c.text);
    const auto file = rule(c.text);
    const std::string says = c.says;
    CHECK(first(file) == "spec.http[0]" + (says[0] == ':' ? says : "." + says));
    CHECK(file.objects.empty());
    CHECK(file.refused.size() == 1);
  }
}

TEST_CASE("a mistake elsewhere in a VirtualService refuses it") {
  for (const auto& c : {
           Refused{"{hosts: [a], tcp: [{route: [{destination: {host: a}}]}]}",
                   "spec.tcp: TCP routes are not honoured yet"},
           Refused{"{hosts: [a], tls: [{}]}", "spec.tls: TLS routes are not honoured yet"},
           Refused{"{hosts: [a]}",
                   "spec.http: is required: a VirtualService without rules would serve nobody"},
           Refused{"{http: [{route: [{destination: {host: a}}]}]}", "spec.hosts: is required"},
           Refused{"{hosts: [\"*\"], http: [{route: [{destination: {host: a}}]}]}",
                   "spec.hosts[0]: \"*\" needs gateways, without \"mesh\""},
           Refused{"{hosts: [a, A], http: [{route: [{destination: {host: a}}]}]}",
                   "spec.hosts[1]: is there twice"},
           Refused{"{hosts: [\"a..b\"], http: [{route: [{destination: {host: a}}]}]}",
                   "spec.hosts[0]: must be a host name, such as \"reviews\", "
                   "\"reviews.shop.svc.cluster.local\" or \"*.shop.example\""},
           Refused{
               "{hosts: [a], exportTo: [\"*\", b], http: [{route: [{destination: {host: a}}]}]}",
               "spec.exportTo[0]: \"*\" must stand alone"},
           Refused{"{hosts: [a], http: [{}]}",
                   "spec.http[0]: needs exactly one of route, redirect and directResponse"},
           Refused{"{hosts: [a], http: [{redirect: {redirectCode: 300, uri: /a}}]}",
                   "spec.http[0].redirect.redirectCode: must be 301, 302, 303, 307 or 308"},
           Refused{"{hosts: [a], http: [{redirect: {}}]}",
                   "spec.http[0].redirect: needs uri, prefixRewrite, authority, scheme, port or "
                   "derivePort"},
           Refused{"{hosts: [a], http: [{redirect: {uri: /b}, timeout: 1s}]}",
                   "spec.http[0].timeout: has no effect without route"},
           Refused{"{hosts: [a], http: [{directResponse: {status: 99}}]}",
                   "spec.http[0].directResponse.status: must be from 200 to 599"},
           Refused{"{hosts: [a], http: [{route: [{destination: {host: a}}, {destination: {host: "
                   "b}}]}]}",
                   "spec.http[0].route: the weights of several destinations must not all be zero"},
           Refused{"{hosts: [a], http: [{route: [{destination: {host: a}, weight: -1}]}]}",
                   "spec.http[0].route[0].weight: must not be negative"},
           Refused{"{hosts: [a], http: [{route: [{destination: {host: a, port: {}}}]}]}",
                   "spec.http[0].route[0].destination.port.number: is required"},
       }) {
    CAPTURE(c.text);
    CHECK(first(object("VirtualService", std::string("  ") + c.text + "\n")) == c.says);
  }
}

TEST_CASE("destination rules: accepted forms") {
  for (const char* spec : {
           "{host: reviews, subsets: [{name: v1, labels: {version: v1}}]}",
           "{host: \"*.local\", trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}}",
           "{host: a, trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}, portLevelSettings: "
           "[{port: {number: 80}, loadBalancer: {simple: LEAST_CONN}}]}}",
           "{host: a, trafficPolicy: {connectionPool: {tcp: {maxConnections: 1, connectTimeout: "
           "30ms, tcpKeepalive: {time: 7200s, interval: 75s}}, http: {http1MaxPendingRequests: 1, "
           "maxRequestsPerConnection: 1}}}}",
           "{host: a, trafficPolicy: {outlierDetection: {consecutive5xxErrors: 7, interval: 5m, "
           "baseEjectionTime: 15m}}}",
           "{host: a, trafficPolicy: {retryBudget: {percent: 25, minRetryConcurrency: 5}}}",
       }) {
    CAPTURE(spec);
    check_accepted(object("DestinationRule", std::string("  ") + spec + "\n"));
  }
}

TEST_CASE("a mistake in a destination rule refuses it and names the field") {
  for (const auto& c : {
           Refused{"trafficPolicy: {loadBalancer: {consistentHash: {useSourceIp: true}}}",
                   "trafficPolicy.loadBalancer.consistentHash: consistent hashing is not honoured "
                   "yet"},
           Refused{"trafficPolicy: {loadBalancer: {localityLbSetting: {enabled: true}}}",
                   "trafficPolicy.loadBalancer.localityLbSetting: locality is not honoured yet"},
           Refused{
               "subsets: [{name: v1, trafficPolicy: {tls: {mode: SIMPLE}}}]",
               "subsets[0].trafficPolicy.tls.mode: TLS to outside the mesh is not honoured yet"},
           Refused{"trafficPolicy: {tls: {}}",
                   "trafficPolicy.tls.mode: plaintext to a workload of the mesh is chosen by "
                   "PeerAuthentication"},
           Refused{"trafficPolicy: {}", "trafficPolicy: needs at least one field"},
           Refused{"trafficPolicy: {connectionPool: {}}",
                   "trafficPolicy.connectionPool: needs tcp or http"},
           Refused{"trafficPolicy: {connectionPool: {tcp: {maxConnections: -1}}}",
                   "trafficPolicy.connectionPool.tcp.maxConnections: must not be negative"},
           Refused{"trafficPolicy: {connectionPool: {http: {useClientProtocol: true, "
                   "h2UpgradePolicy: UPGRADE}}}",
                   "trafficPolicy.connectionPool.http.useClientProtocol: contradicts "
                   "h2UpgradePolicy: UPGRADE"},
           Refused{"trafficPolicy: {outlierDetection: {maxEjectionPercent: 101}}",
                   "trafficPolicy.outlierDetection.maxEjectionPercent: must be from 0 to 100"},
           Refused{"trafficPolicy: {outlierDetection: {consecutiveLocalOriginFailures: 1}}",
                   "trafficPolicy.outlierDetection.consecutiveLocalOriginFailures: has no effect "
                   "without splitExternalLocalOriginErrors: true"},
           Refused{
               "trafficPolicy: {portLevelSettings: [{port: {number: 80}}, {port: {number: 80}}]}",
               "trafficPolicy.portLevelSettings[1].port.number: port 80 is there twice"},
           Refused{"subsets: [{name: v1}, {name: v1}]",
                   "subsets[1].name: a second subset named \"v1\""},
           Refused{
               "subsets: [{name: V1}]",
               "subsets[0].name: must be at most 63 lower case letters, digits or '-', and start "
               "and end with a letter or digit"},
           Refused{"workloadSelector: {matchLabels: {a: b}}",
                   "workloadSelector: rules for some clients only are not honoured yet"},
       }) {
    CAPTURE(c.text);
    const auto file = object("DestinationRule", fmt::format("  {{host: a, {}}}\n", c.text));
    CHECK(first(file) == std::string("spec.") + c.says);
    CHECK(file.objects.empty());
  }
}

TEST_CASE("service entries and gateways") {
  check_accepted(object("ServiceEntry",
                        "  {hosts: [db.example], addresses: [10.1.1.1], location: MESH_EXTERNAL, "
                        "resolution: STATIC, ports: [{number: 80, name: http, protocol: HTTP}], "
                        "endpoints: [{address: 10.9.9.9, ports: {http: 8080}, weight: 2}]}\n"));
  CHECK(
      first(object("ServiceEntry",
                   "  {hosts: [db.example], resolution: DNS, ports: [{number: 80, name: a}]}\n")) ==
      "spec.resolution: only static endpoints are honoured yet");
  CHECK(
      first(object("ServiceEntry",
                   "  {hosts: [db.example], resolution: STATIC, ports: [{number: 80, name: http}], "
                   "endpoints: [{address: 10.9.9.9, ports: {htp: 1}}]}\n")) ==
      "spec.endpoints[0].ports[\"htp\"]: is no port of spec.ports");
  check_accepted(object("Gateway",
                        "  {selector: {app: edge}, servers: [{port: {number: 80, name: http, "
                        "protocol: HTTP}, hosts: [\"*\", \"*/shop.example\", "
                        "\"./shop.example\", \"bank/*.example\"]}]}\n"));
  CHECK(first(object("Gateway",
                     "  {selector: {app: edge}, servers: [{port: {number: 80, name: http, "
                     "protocol: HTTP}, hosts: [\"Bank!/shop.example\"]}]}\n")) ==
        "spec.servers[0].hosts[0]: must be a namespace, \".\" or \"*\" before the \"/\"");
  for (const std::string address : {"127.0.0.1", "0.0.0.0", "169.254.169.254", "::1", "fe80::1"}) {
    CAPTURE(address);
    CHECK(first(object("ServiceEntry",
                       "  {hosts: [db.example], resolution: STATIC, ports: [{number: 80, name: "
                       "http}], endpoints: [{address: \"" +
                           address + "\"}]}\n")) ==
          "spec.endpoints[0].address: must not be a loopback, unspecified or link-local address");
  }
  std::string hosts, endpoints;
  for (int i = 0; i < 142; ++i) {
    hosts += fmt::format("{}h{}.example", i == 0 ? "" : ", ", i);
    endpoints += fmt::format("{}{{address: 10.9.0.{}}}", i == 0 ? "" : ", ", i);
  }
  CHECK(first(object("ServiceEntry",
                     "  {hosts: [" + hosts +
                         "], resolution: STATIC, ports: [{number: 80, name: http}], endpoints: [" +
                         endpoints + "]}\n")) ==
        "spec: hosts times endpoints times ports are 20164, over the limit of 20000");
  CHECK(first(object("Gateway",
                     "  {selector: {app: edge}, servers: [{port: {number: 443, name: https, "
                     "protocol: HTTPS}, hosts: [\"*\"], tls: {mode: SIMPLE}}]}\n")) ==
        "spec.servers[0].tls: TLS from outside the mesh is not honoured yet");
}

TEST_CASE("the two kinds named Gateway are two objects") {
  const auto file = parse_file(
      "p.yaml",
      "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: p, namespace: "
      "shop}\nspec: {gatewayClassName: culvert-waypoint, listeners: [{name: mesh, port: 15008, "
      "protocol: HBONE}]}\n---\napiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: "
      "{name: "
      "p, namespace: shop}\nspec: {selector: {a: b}, servers: [{port: {number: 80, name: a, "
      "protocol: HTTP}, hosts: [a]}]}\n---\napiVersion: gateway.networking.k8s.io/v1\nkind: "
      "GatewayClass\nmetadata: {name: c}\nspec: {controllerName: culvert.dev/c}\n");
  CHECK(file.diagnostics.empty());
  REQUIRE(file.objects.size() == 3);
  CHECK(file.objects[0]->key.kind == "KubernetesGateway");
  CHECK(message_as<api::gateway::Gateway>(*file.objects[0]).spec().listeners(0).port() == 15008);
  CHECK(file.objects[1]->key.kind == "Gateway");
  const auto wrong = object("Gateway", "  {}\n", "gateway.networking.k8s.io/v1alpha1");
  CHECK(suggestion(wrong) == "gateway.networking.k8s.io/v1beta1");
}
