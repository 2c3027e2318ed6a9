// Every field of a rule: either it changes what comes out, or it is in the
// table of what is not honoured, or it is named here as neutral. The messages'
// own descriptors say which fields there are.
#include "coverage.hpp"

#include <fmt/format.h>

#include "lab.hpp"
#include "page.hpp"
#include "virtual_service.pb.h"

using namespace culvert::l7;
using namespace culvert::l7::test;

namespace {

/// A field, an object without it and one with it, and a request for which that
/// makes a difference.
struct Row {
  const char* field;  // MESSAGE.jsonName
  const char* without;
  const char* with;
  Ask ask = {};
};

constexpr auto kRoute = "route: [{destination: {host: reviews, subset: v2}}]";

std::string rule(const std::string& more) {
  return more.find("route:") == std::string::npos && more.find("direct") == std::string::npos
             ? more + (more.empty() ? "" : ", ") + kRoute
             : more;
}

std::string text(const HeaderOperations& operations, const Views& views) {
  std::vector<Header> headers = {{"x", "old"}};
  apply(operations, {views.request, views.client, "r"}, headers);
  std::string out;
  for (const auto& [name, value] : headers) out += name + "=" + value + ";";
  return out;
}

std::string text(const InjectedFault& fault) {
  std::string out;
  if (fault.delay) out += fmt::format("delay {} ", fault.delay->count());
  if (!fault.abort) return out;
  if (const auto* http = std::get_if<HttpStatusFault>(&*fault.abort)) {
    return out + fmt::format("http {}", http->status);
  }
  if (const auto* grpc = std::get_if<GrpcStatusFault>(&*fault.abort)) {
    return out + fmt::format("grpc {}", grpc->status);
  }
  return out + fmt::format("http2 {}", std::get<Http2ErrorFault>(*fault.abort).code);
}

std::string text(const RetryPolicy* policy) {
  if (!policy) return "none";
  return fmt::format("{} on {:x} {} try {} wait {} avoid {}", policy->attempts,
                     policy->on.conditions, policy->on.status_codes.size(),
                     policy->per_try_timeout.value_or(std::chrono::milliseconds(0)).count(),
                     policy->backoff.count(), policy->avoid_previous_hosts);
}

/// All that a decision says, for comparing.
std::string all_of(Lab& lab, const Ask& ask) {
  lab.random = Random(1);
  const auto decision = lab.choose(ask);
  const Views views(ask);
  auto out = fmt::format("{} {} stat {} ", lab.where(ask), decision.route_name,
                         decision.match ? decision.match->stat_prefix : "");
  if (decision.cluster) out += decision.cluster->name() + " ";
  if (decision.forward) {
    out += fmt::format("timeout {} retry {} ", decision.forward->timeout.count(),
                       text(retry_policy(decision)));
  }
  out += text(decision.fault);
  for (const auto& mirror : decision.mirrors) {
    out += fmt::format(" mirror {} {}", mirror.cluster->name(), mirror.mirror->share.millionths);
  }
  out += " path " + rewritten_path(decision, ask.path).value_or("-");
  out += " authority " + std::string(rewritten_authority(decision).value_or("-"));
  if (decision.destination) out += " request " + text(decision.destination->request_headers, views);
  if (const auto* operations = response_operations(decision))
    out += " response " + text(*operations, views);
  if (decision.kind == Decision::Kind::kRedirect) {
    out += fmt::format(" {} {}", std::get<Redirect>(decision.rule->action).status,
                       redirect_location(decision, views.request, views.target));
  }
  if (decision.kind == Decision::Kind::kDirectResponse) {
    const auto& direct = std::get<DirectResponse>(decision.rule->action);
    out += fmt::format(" {} {}", direct.status, direct.body);
  }
  if (decision.rule && decision.rule->cors) {
    const auto result = cors(*decision.rule->cors, views.request);
    out += result.answer ? " answer" : " pass";
    for (const auto& [name, value] : result.headers) out += " " + name + "=" + value;
  }
  return out;
}

const Ask kPreflight{.headers = {{"origin", "https://a"}, {"access-control-request-method", "GET"}},
                     .method = "OPTIONS"};
const Ask kOrigin{.headers = {{"origin", "https://a"}}};

const std::vector<Row> kRows = {
    {"HTTPRoute.name", "", "name: n"},
    {"HTTPRoute.match", "", "match: [{uri: {exact: /no}}]"},
    {"HTTPRoute.route", "directResponse: {status: 200}", kRoute},
    {"HTTPRoute.redirect", "directResponse: {status: 200}", "redirect: {uri: /direct}"},
    {"HTTPRoute.rewrite", "", "rewrite: {uri: /x}"},
    {"HTTPRoute.timeout", "", "timeout: 1s"},
    {"HTTPRoute.retries", "", "retries: {attempts: 5}"},
    {"HTTPRoute.fault", "", "fault: {abort: {httpStatus: 500, percentage: {value: 100}}}"},
    {"HTTPRoute.mirror", "", "mirror: {host: ratings}"},
    {"HTTPRoute.corsPolicy", "", "corsPolicy: {allowOrigins: [{exact: https://a}]}", kOrigin},
    {"HTTPRoute.headers", "", "headers: {request: {set: {y: \"1\"}}}"},
    {"HTTPRoute.mirrorPercent", "mirror: {host: ratings}",
     "mirror: {host: ratings}, mirrorPercent: 0"},
    {"HTTPRoute.mirrorPercentage", "mirror: {host: ratings}",
     "mirror: {host: ratings}, mirrorPercentage: {value: 0}"},
    {"HTTPRoute.directResponse", kRoute, "directResponse: {status: 200}"},
    {"HTTPRoute.mirrors", "", "mirrors: [{destination: {host: ratings}}]"},
    {"HTTPMatchRequest.uri", "match: [{}]", "match: [{uri: {exact: /no}}]"},
    {"HTTPMatchRequest.scheme", "match: [{}]", "match: [{scheme: {exact: https}}]"},
    {"HTTPMatchRequest.method", "match: [{}]", "match: [{method: {exact: PUT}}]"},
    {"HTTPMatchRequest.authority", "match: [{}]", "match: [{authority: {exact: other}}]"},
    {"HTTPMatchRequest.headers", "match: [{}]", "match: [{headers: {y: {}}}]"},
    {"HTTPMatchRequest.port", "match: [{}]", "match: [{port: 9090}]"},
    {"HTTPMatchRequest.sourceLabels", "match: [{}]", "match: [{sourceLabels: {a: b}}]"},
    {"HTTPMatchRequest.gateways", "match: [{}]", "match: [{gateways: [edge]}]"},
    {"HTTPMatchRequest.queryParams", "match: [{}]", "match: [{queryParams: {a: {}}}]"},
    {"HTTPMatchRequest.ignoreUriCase",
     "match: [{uri: {exact: /A}}]",
     "match: [{uri: {exact: /A}, ignoreUriCase: true}]",
     {"/a"}},
    {"HTTPMatchRequest.name", "match: [{}]", "match: [{name: m}]"},
    {"HTTPMatchRequest.withoutHeaders",
     "match: [{}]",
     "match: [{withoutHeaders: {y: {}}}]",
     {.headers = {{"y", "1"}}}},
    {"HTTPMatchRequest.sourceNamespace", "match: [{}]", "match: [{sourceNamespace: web}]"},
    {"HTTPMatchRequest.statPrefix", "match: [{}]", "match: [{statPrefix: s}]"},
    {"StringMatch.exact",
     "match: [{headers: {y: {}}}]",
     "match: [{headers: {y: {exact: b}}}]",
     {.headers = {{"y", "a"}}}},
    {"StringMatch.prefix",
     "match: [{headers: {y: {}}}]",
     "match: [{headers: {y: {prefix: b}}}]",
     {.headers = {{"y", "a"}}}},
    {"StringMatch.regex",
     "match: [{headers: {y: {}}}]",
     "match: [{headers: {y: {regex: b}}}]",
     {.headers = {{"y", "a"}}}},
    {"HTTPRouteDestination.destination", "route: [{destination: {host: reviews}}]",
     "route: [{destination: {host: ratings}}]"},
    {"HTTPRouteDestination.weight",
     "route: [{destination: {host: reviews}, weight: 1}, {destination: {host: "
     "ratings}, weight: "
     "0}]",
     "route: [{destination: {host: reviews}, weight: 0}, {destination: {host: "
     "ratings}, weight: "
     "1}]"},
    {"HTTPRouteDestination.headers", "route: [{destination: {host: reviews}}]",
     "route: [{destination: {host: reviews}, headers: {request: {set: {y: "
     "\"1\"}}}}]"},
    {"Destination.host", "route: [{destination: {host: reviews}}]",
     "route: [{destination: {host: ratings}}]"},
    {"Destination.subset", "route: [{destination: {host: reviews}}]", kRoute},
    {"Destination.port", "route: [{destination: {host: reviews}}]",
     "route: [{destination: {host: reviews, port: {number: 9090}}}]"},
    {"PortSelector.number", "route: [{destination: {host: reviews, port: {number: 80}}}]",
     "route: [{destination: {host: reviews, port: {number: 9090}}}]"},
    {"Headers.request", "", "headers: {request: {remove: [x]}}"},
    {"Headers.response", "", "headers: {response: {remove: [x]}}"},
    {"Headers.HeaderOperations.set", "", "headers: {request: {set: {x: new}}}"},
    {"Headers.HeaderOperations.add", "", "headers: {request: {add: {x: new}}}"},
    {"Headers.HeaderOperations.remove", "", "headers: {request: {remove: [x]}}"},
    {"HTTPRedirect.uri", "redirect: {authority: direct}", "redirect: {authority: direct, uri: /x}"},
    {"HTTPRedirect.authority", "redirect: {uri: /direct}",
     "redirect: {uri: /direct, authority: a}"},
    {"HTTPRedirect.redirectCode", "redirect: {uri: /direct}",
     "redirect: {uri: /direct, redirectCode: 302}"},
    {"HTTPRedirect.port", "redirect: {uri: /direct}", "redirect: {uri: /direct, port: 81}"},
    {"HTTPRedirect.derivePort",
     "redirect: {uri: /direct}",
     "redirect: {uri: /direct, derivePort: FROM_REQUEST_PORT}",
     {.port = 8080}},
    {"HTTPRedirect.scheme", "redirect: {uri: /direct}", "redirect: {uri: /direct, scheme: https}"},
    {"HTTPRedirect.prefixRewrite", "redirect: {authority: direct}",
     "redirect: {authority: direct, prefixRewrite: /x/}"},
    {"HTTPDirectResponse.status", "directResponse: {status: 200}", "directResponse: {status: 201}"},
    {"HTTPDirectResponse.body", "directResponse: {status: 200}",
     "directResponse: {status: 200, body: {string: a}}"},
    {"HTTPBody.string", "directResponse: {status: 200, body: {string: a}}",
     "directResponse: {status: 200, body: {string: b}}"},
    {"HTTPBody.bytes", "directResponse: {status: 200}",
     "directResponse: {status: 200, body: {bytes: \"YQ==\"}}"},
    {"HTTPRewrite.uri", "rewrite: {authority: a}", "rewrite: {authority: a, uri: /x}"},
    {"HTTPRewrite.authority", "rewrite: {uri: /x}", "rewrite: {uri: /x, authority: a}"},
    {"HTTPRewrite.uriRegexRewrite", "rewrite: {authority: a}",
     "rewrite: {authority: a, uriRegexRewrite: {match: /, rewrite: x}}"},
    {"RegexRewrite.match", "rewrite: {uriRegexRewrite: {match: y, rewrite: x}}",
     "rewrite: {uriRegexRewrite: {match: /, rewrite: x}}"},
    {"RegexRewrite.rewrite", "rewrite: {uriRegexRewrite: {match: /, rewrite: y}}",
     "rewrite: {uriRegexRewrite: {match: /, rewrite: x}}"},
    {"HTTPRetry.attempts", "retries: {attempts: 1}", "retries: {attempts: 2}"},
    {"HTTPRetry.perTryTimeout", "retries: {attempts: 1}",
     "retries: {attempts: 1, perTryTimeout: 1s}"},
    {"HTTPRetry.retryOn", "retries: {attempts: 1}", "retries: {attempts: 1, retryOn: 5xx}"},
    {"HTTPRetry.retryIgnorePreviousHosts", "retries: {attempts: 1}",
     "retries: {attempts: 1, retryIgnorePreviousHosts: false}"},
    {"HTTPRetry.backoff", "retries: {attempts: 1}", "retries: {attempts: 1, backoff: 1s}"},
    {"HTTPFaultInjection.delay", "", "fault: {delay: {fixedDelay: 1s, percentage: {value: 100}}}"},
    {"HTTPFaultInjection.abort", "", "fault: {abort: {httpStatus: 500, percentage: {value: 100}}}"},
    {"HTTPFaultInjection.Delay.percent", "fault: {delay: {fixedDelay: 1s}}",
     "fault: {delay: {fixedDelay: 1s, percent: 100}}"},
    {"HTTPFaultInjection.Delay.fixedDelay", "fault: {delay: {fixedDelay: 1s, percent: 100}}",
     "fault: {delay: {fixedDelay: 2s, percent: 100}}"},
    {"HTTPFaultInjection.Delay.percentage", "fault: {delay: {fixedDelay: 1s}}",
     "fault: {delay: {fixedDelay: 1s, percentage: {value: 100}}}"},
    {"HTTPFaultInjection.Abort.percent", "fault: {abort: {httpStatus: 500}}",
     "fault: {abort: {httpStatus: 500, percent: 100}}"},
    {"HTTPFaultInjection.Abort.httpStatus", "fault: {abort: {httpStatus: 500, percent: 100}}",
     "fault: {abort: {httpStatus: 501, percent: 100}}"},
    {"HTTPFaultInjection.Abort.grpcStatus", "fault: {abort: {httpStatus: 500, percent: 100}}",
     "fault: {abort: {grpcStatus: ABORTED, percent: 100}}"},
    {"HTTPFaultInjection.Abort.http2Error", "fault: {abort: {httpStatus: 500, percent: 100}}",
     "fault: {abort: {http2Error: CANCEL, percent: 100}}"},
    {"HTTPFaultInjection.Abort.percentage", "fault: {abort: {httpStatus: 500}}",
     "fault: {abort: {httpStatus: 500, percentage: {value: 100}}}"},
    {"Percent.value", "mirror: {host: ratings}",
     "mirror: {host: ratings}, mirrorPercentage: {value: 99.9999}"},
    {"HTTPMirrorPolicy.destination", "mirrors: [{destination: {host: reviews}}]",
     "mirrors: [{destination: {host: ratings}}]"},
    {"HTTPMirrorPolicy.percentage", "mirrors: [{destination: {host: ratings}}]",
     "mirrors: [{destination: {host: ratings}, percentage: {value: 99.9999}}]"},
    {"CorsPolicy.allowOrigin", "corsPolicy: {allowMethods: [GET]}",
     "corsPolicy: {allowOrigin: [https://a]}", kOrigin},
    {"CorsPolicy.allowOrigins", "corsPolicy: {allowMethods: [GET]}",
     "corsPolicy: {allowOrigins: [{prefix: https}]}", kOrigin},
    {"CorsPolicy.allowMethods", "corsPolicy: {allowOrigin: [https://a]}",
     "corsPolicy: {allowOrigin: [https://a], allowMethods: [GET]}", kPreflight},
    {"CorsPolicy.allowHeaders", "corsPolicy: {allowOrigin: [https://a]}",
     "corsPolicy: {allowOrigin: [https://a], allowHeaders: [x]}", kPreflight},
    {"CorsPolicy.exposeHeaders", "corsPolicy: {allowOrigin: [https://a]}",
     "corsPolicy: {allowOrigin: [https://a], exposeHeaders: [x]}", kOrigin},
    {"CorsPolicy.maxAge", "corsPolicy: {allowOrigin: [https://a]}",
     "corsPolicy: {allowOrigin: [https://a], maxAge: 1s}", kPreflight},
    {"CorsPolicy.allowCredentials", "corsPolicy: {allowOrigin: [https://a]}",
     "corsPolicy: {allowOrigin: [https://a], allowCredentials: true}", kOrigin},
    {"CorsPolicy.unmatchedPreflights", "corsPolicy: {allowOrigin: [b]}",
     "corsPolicy: {allowOrigin: [b], unmatchedPreflights: IGNORE}", kPreflight},
};

}  // namespace

TEST_CASE("each field of a rule changes what comes out") {
  for (const auto& row : kRows) {
    CAPTURE(row.field);
    auto without = lab_with(rule(row.without));
    auto with = lab_with(rule(row.with));
    CHECK(all_of(without, row.ask) != all_of(with, row.ask));
    CHECK(all_of(with, row.ask) == all_of(with, row.ask));  // a difference is no accident
  }
}

TEST_CASE(
    "no field of a VirtualService is left without a row, a refusal or a "
    "reason") {
  // Tested where several objects meet: hosts_test.cpp.
  std::set<std::string> covered = {"VirtualService.hosts", "VirtualService.gateways",
                                   "VirtualService.http", "VirtualService.exportTo"};
  for (const auto& row : kRows) covered.insert(row.field);
  CHECK(uncovered("VirtualService", covered) == std::vector<std::string>{});
  covered.erase("HTTPRetry.backoff");
  CHECK(uncovered("VirtualService", covered) == std::vector<std::string>{"HTTPRetry.backoff"});
}

TEST_CASE("the page on routes has each field that is not honoured, and no other") {
  auto rows = table("routing.md", "| field | why |");
  const auto refused = rows.size();
  const auto told = table("routing.md", "| field | without effect, as |");
  rows.insert(rows.end(), told.begin(), told.end());
  REQUIRE(rows.size() == unsupported_fields().size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto& row = unsupported_fields()[i];
    const auto value = row.value.empty() ? "" : fmt::format(": {}", row.value);
    CHECK(rows[i].first == fmt::format("{}.{}{}", row.message, row.field, value));
    CHECK(rows[i].second == row.why);
    CHECK((row.consequence == Consequence::kObjectRefused) == (i < refused));
  }
}
