// What rules do: destinations by weight, headers, rewrites, redirects, faults, mirrors, retries,
// CORS.
#include <algorithm>

#include "lab.hpp"

using namespace culvert::l7;
using namespace culvert::l7::test;
using std::chrono::milliseconds;

namespace {

/// Names and values after the operations of a decision on the request.
std::vector<Header> changed(Lab& lab, const Ask& ask, std::vector<Header> headers) {
  const auto decision = lab.choose(ask);
  REQUIRE(decision.destination);
  const Views views(ask);
  apply(decision.destination->request_headers, {views.request, views.client, decision.route_name},
        headers);
  return headers;
}

std::string path_of(const std::string& rule, const std::string& path) {
  auto lab = lab_with(rule);
  const auto decision = lab.choose({path});
  return rewritten_path(decision, path).value_or("(as it came)");
}

std::string location(const std::string& redirect, Ask ask, const std::string& match = "") {
  auto lab = lab_with(match + "redirect: " + redirect);
  const auto decision = lab.choose(ask);
  REQUIRE(decision.kind == Decision::Kind::kRedirect);
  const Views views(ask);
  return redirect_location(decision, views.request, views.target);
}

}  // namespace

TEST_CASE("weights: 10,000 draws are within two points, whatever the sum") {
  for (const auto& [weights, total] :
       {std::pair{std::array{50, 25, 25}, 100}, std::pair{std::array{6, 3, 1}, 10}}) {
    auto lab = Lab(
        subsets() +
        object(
            "VirtualService", "reviews", "{hosts: [reviews], http: [{route: [" + [&w = weights] {
              std::string all;
              for (int i = 0; i < 3; ++i) {
                all += "{destination: {host: reviews, subset: v" + std::to_string(i + 1) +
                       "}, weight: " + std::to_string(w[static_cast<std::size_t>(i)]) + "}, ";
              }
              return all;
            }() + "]}]}"));
    std::map<std::string, int> count;
    for (int i = 0; i < 10'000; ++i) ++count[lab.where({})];
    for (std::size_t i = 0; i < 3; ++i) {
      const auto share = count["v" + std::to_string(i + 1)] / 100.0;
      CHECK(share == doctest::Approx(100.0 * weights[i] / total).epsilon(0).scale(1).epsilon(2));
    }
  }
}

TEST_CASE("a destination of weight 0 gets nothing beside others, and everything alone") {
  auto lab = lab_with(
      "route: [{destination: {host: reviews, subset: v2}, weight: 0}, {destination: "
      "{host: reviews, subset: v3}, weight: 1}]");
  for (int i = 0; i < 1000; ++i) CHECK(lab.where({}) == "v3");
  auto alone = lab_with("route: [{destination: {host: reviews, subset: v2}, weight: 0}]");
  CHECK(alone.where({}) == "v2");
}

TEST_CASE("the port of a destination: said, the only one, or that of the request") {
  auto lab = lab_with(
      "match: [{uri: {prefix: /ratings}}], route: [{destination: {host: ratings}}]}, "
      "{match: [{uri: {prefix: /9}}], route: [{destination: {host: reviews, port: "
      "{number: 9090}}}]}, {match: [{uri: {prefix: /8}}], route: [{destination: {host: "
      "reviews, port: {number: 8}}}]");
  CHECK(lab.choose({.path = "/ratings", .port = 9090}).cluster->name() ==
        "outbound|80||ratings.shop.svc.cluster.local");
  CHECK(lab.choose({.path = "/9", .port = 80}).cluster->port == 9090);
  CHECK(lab.choose({.path = "/", .port = 9090}).cluster->port == 9090);
  CHECK(lab.choose({.path = "/", .port = 80}).cluster->port == 80);
  CHECK(lab.where({"/8"}) == "NC");
}

TEST_CASE("a rule that leads nowhere says so, and is not passed over") {
  auto lab = lab_with(
      "match: [{uri: {prefix: /a}}], route: [{destination: {host: nobody}}]}, {match: "
      "[{uri: {prefix: /b}}], route: [{destination: {host: reviews, subset: v9}}]");
  CHECK(lab.where({"/a"}) == "NC");
  CHECK(lab.where({"/b"}) == "NC");
  const auto report = lab.compiler.report("shop", "reviews");
  CHECK(report.unknown == std::vector<std::string>{"host nobody.shop.svc.cluster.local",
                                                   "subset v9 of reviews.shop.svc.cluster.local"});
}

TEST_CASE("headers: of the rule, then of a destination alone") {
  auto lab = lab_with(
      "headers: {request: {set: {x: rule}, add: {y: rule}, remove: [z]}}, route: "
      "[{destination: {host: reviews}, headers: {request: {set: {x: own}, add: {y: "
      "own}, remove: [w]}}}]");
  CHECK(changed(lab, {}, {{"x", "1"}, {"y", "1"}, {"z", "1"}, {"w", "1"}, {"keep", "1"}}) ==
        std::vector<Header>{{"y", "1"}, {"keep", "1"}, {"y", "rule"}, {"x", "own"}, {"y", "own"}});
}

TEST_CASE("headers: of one destination among several, then of the rule") {
  auto lab = lab_with(
      "headers: {request: {set: {x: rule}}}, route: [{destination: {host: reviews}, "
      "weight: 1, headers: {request: {set: {x: own, y: own}, remove: [x]}}}, "
      "{destination: {host: ratings}, weight: 0}, {destination: {host: reviews}, "
      "weight: 1, headers: {request: {set: {x: own, y: own}, remove: [x]}}}]");
  CHECK(changed(lab, {}, {{"x", "1"}}) == std::vector<Header>{{"y", "own"}, {"x", "rule"}});
}

TEST_CASE("headers: Envoy's substitutions") {
  auto lab = lab_with(
      "name: r, headers: {request: {set: {a: \"%REQ(:path)%\", b: "
      "\"%REQ(none?X-Id):3%\", c: \"%DOWNSTREAM_REMOTE_ADDRESS%\", d: "
      "\"%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%\", e: \"100%%\", f: "
      "\"%DOWNSTREAM_PEER_URI_SAN%\", g: \"%ROUTE_NAME%\", h: \"<%REQ(none)%>\", i: "
      "\"%PROTOCOL%\"}}}, route: [{destination: {host: reviews}}]");
  CHECK(changed(lab, {.path = "/p?q", .headers = {{"x-id", "12345"}}}, {}) ==
        std::vector<Header>{{"a", "/p?q"},
                            {"b", "123"},
                            {"c", "10.0.0.5:41000"},
                            {"d", "10.0.0.5"},
                            {"e", "100%"},
                            {"f", "spiffe://cluster.local/ns/shop/sa/web"},
                            {"g", "r"},
                            {"h", "<>"},
                            {"i", "HTTP/1.1"}});
}

TEST_CASE("headers of the response") {
  const Ask ask;
  for (const char* rule : {"redirect: {uri: /x}", "directResponse: {status: 200}",
                           "route: [{destination: {host: reviews}}]"}) {
    CAPTURE(rule);
    auto lab = lab_with(std::string("headers: {response: {set: {server: none}}}, ") + rule);
    const auto decision = lab.choose(ask);
    const auto* operations = response_operations(decision);
    REQUIRE(operations);
    std::vector<Header> headers = {{"server", "x"}};
    const Views views(ask);
    apply(*operations, {views.request, views.client, ""}, headers);
    CHECK(headers == std::vector<Header>{{"server", "none"}});
  }
}

TEST_CASE("rewriting the path: the matched prefix, or all of it") {
  CHECK(path_of("match: [{uri: {prefix: /api/}}], rewrite: {uri: /}, " + to("v2"),
                "/api/x?y=/api/") == "/x?y=/api/");
  CHECK(path_of(
            "match: [{uri: {prefix: /API}, ignoreUriCase: true}], rewrite: {uri: /v1}, " + to("v2"),
            "/api/x") == "/v1/x");
  CHECK(path_of("match: [{uri: {exact: /a}}], rewrite: {uri: /b}, " + to("v2"), "/a?q") == "/b?q");
  CHECK(path_of("match: [{uri: {regex: \"/a.*\"}}], rewrite: {uri: /b}, " + to("v2"), "/abc?q") ==
        "/b?q");
  CHECK(path_of("rewrite: {uri: /v1/}, " + to("v2"), "/a?q") == "/v1/a?q");
  CHECK(path_of("rewrite: {uriRegexRewrite: {match: \"^/service/([^/]+)(/.*)$\", rewrite: "
                "\"\\\\2/instance/\\\\1\"}}, " +
                    to("v2"),
                "/service/foo/v1?q=/service/a/b") == "/v1/instance/foo?q=/service/a/b");
  CHECK(path_of("rewrite: {authority: a}, " + to("v2"), "/a") == "(as it came)");
}

TEST_CASE("rewriting the authority: the rule's before the destination's") {
  const auto authority = [](const std::string& rule) {
    auto lab = lab_with(rule);
    return std::string(rewritten_authority(lab.choose({})).value_or("(as it came)"));
  };
  CHECK(authority("rewrite: {authority: a}, " + to("v2")) == "a");
  CHECK(authority("headers: {request: {set: {Host: b}}}, " + to("v2")) == "b");
  CHECK(
      authority("route: [{destination: {host: reviews}, headers: {request: {set: {\":authority\": "
                "c}}}}]") == "c");
  CHECK(authority(
            "rewrite: {authority: a}, route: [{destination: {host: reviews}, headers: {request: "
            "{set: {host: c}}}}]") == "a");
  CHECK(authority(to("v2")) == "(as it came)");
  CHECK(shadow_authority("reviews") == "reviews-shadow");
  CHECK(shadow_authority("reviews:80") == "reviews-shadow:80");
  CHECK(shadow_authority("[::1]:80") == "[::1]-shadow:80");
  CHECK(shadow_authority("[::1]") == "[::1]-shadow");
}

TEST_CASE("where redirects lead") {
  const Ask plain{.path = "/a?q=1", .authority = "shop.example:8080", .port = 8080};
  CHECK(location("{uri: /b}", plain) == "http://shop.example:8080/b?q=1");
  CHECK(location("{uri: \"/b?c\"}", plain) == "http://shop.example:8080/b?c");
  CHECK(location("{authority: other}", plain) == "http://other/a?q=1");
  CHECK(location("{scheme: https}", plain) == "https://shop.example:8080/a?q=1");
  CHECK(location("{scheme: https}", {.path = "/", .authority = "a:80"}) == "https://a/");
  CHECK(location("{scheme: https}", {.path = "/", .authority = "a:443"}) == "https://a:443/");
  CHECK(location("{port: 9000}", plain) == "http://shop.example:9000/a?q=1");
  CHECK(location("{port: 80}", plain) == "http://shop.example/a?q=1");
  CHECK(location("{port: 443, scheme: https}", plain) == "https://shop.example/a?q=1");
  CHECK(location("{derivePort: FROM_REQUEST_PORT, authority: other}", plain) ==
        "http://other:8080/a?q=1");
  CHECK(location("{derivePort: FROM_PROTOCOL_DEFAULT, scheme: https}", plain) ==
        "https://shop.example/a?q=1");
  CHECK(location("{prefixRewrite: /new}", {.path = "/old/x?q", .authority = "a"},
                 "match: [{uri: {prefix: /old}}], ") == "http://a/new/x?q");
  auto lab = lab_with("redirect: {uri: /b, redirectCode: 308}");
  CHECK(std::get<Redirect>(lab.choose({}).rule->action).status == 308);
  auto by_default = lab_with("redirect: {uri: /b}");
  CHECK(std::get<Redirect>(by_default.choose({}).rule->action).status == 301);
}

TEST_CASE("direct responses") {
  auto lab = lab_with("directResponse: {status: 418, body: {bytes: \"dGVh\"}}");
  const auto decision = lab.choose({});
  REQUIRE(decision.kind == Decision::Kind::kDirectResponse);
  const auto& direct = std::get<DirectResponse>(decision.rule->action);
  CHECK(direct.status == 418);
  CHECK(direct.body == "tea");
}

TEST_CASE("faults: drawn by their shares, both together") {
  auto lab = lab_with(
      "fault: {delay: {percentage: {value: 10}, fixedDelay: 5s}, abort: {percentage: "
      "{value: 0.5}, httpStatus: 500}}, " +
      to("v2"));
  int delays = 0;
  int aborts = 0;
  constexpr int kDraws = 100'000;
  for (int i = 0; i < kDraws; ++i) {
    const auto fault = lab.choose({}).fault;
    delays += fault.delay == milliseconds(5000);
    aborts += fault.abort == AbortError(HttpStatusFault{500});
  }
  // Four standard deviations of a binomial draw.
  CHECK(std::abs(delays - 10'000) < 4 * 95);
  CHECK(std::abs(aborts - 500) < 4 * 23);

  auto always =
      lab_with("fault: {abort: {percentage: {value: 100}, grpcStatus: UNAVAILABLE}}, " + to("v2"));
  CHECK(always.choose({}).fault.abort == AbortError(GrpcStatusFault{14}));
  auto reset = lab_with("fault: {abort: {percentage: {value: 100}, http2Error: REFUSED_STREAM}}, " +
                        to("v2"));
  CHECK(reset.choose({}).fault.abort == AbortError(Http2ErrorFault{7}));
  auto never = lab_with("fault: {delay: {fixedDelay: 5s}}, " + to("v2"));
  for (int i = 0; i < 1000; ++i) CHECK_FALSE(never.choose({}).fault.delay);
  auto old = lab_with("fault: {delay: {percent: 100, fixedDelay: 7s}}, " + to("v2"));
  CHECK(old.choose({}).fault.delay == milliseconds(7000));
}

TEST_CASE("mirrors: all by default, by their share, none where nobody is") {
  auto lab = lab_with("mirror: {host: reviews, subset: v3}, " + to("v2"));
  REQUIRE(lab.choose({}).mirrors.size() == 1);
  CHECK(lab.choose({}).mirrors[0].cluster->subset == "v3");
  auto zero = lab_with("mirror: {host: ratings}, mirrorPercentage: {value: 0}, " + to("v2"));
  CHECK(zero.choose({}).mirrors.empty());
  auto nobody = lab_with("mirror: {host: nobody}, " + to("v2"));
  CHECK(nobody.choose({}).mirrors.empty());
  CHECK(nobody.where({}) == "v2");
  auto several = lab_with(
      "mirrors: [{destination: {host: ratings}}, {destination: {host: reviews, "
      "subset: v3}, percentage: {value: 25}}], " +
      to("v2"));
  int first = 0;
  int second = 0;
  for (int i = 0; i < 10'000; ++i) {
    for (const auto& mirror : several.choose({}).mirrors) {
      ++(mirror.cluster->subset.empty() ? first : second);
    }
  }
  CHECK(first == 10'000);
  CHECK(std::abs(second - 2500) < 4 * 44);
}

TEST_CASE("timeouts and retries") {
  auto lab = lab_with(
      "timeout: 500ms, retries: {attempts: 3, perTryTimeout: 2s, retryOn: \"5xx,502\", "
      "backoff: 100ms, retryIgnorePreviousHosts: false}, " +
      to("v2"));
  const auto decision = lab.choose({});
  CHECK(decision.forward->timeout == milliseconds(500));
  const auto* policy = retry_policy(decision);
  REQUIRE(policy);
  CHECK(policy->attempts == 3);
  CHECK(policy->per_try_timeout == milliseconds(2000));
  CHECK(policy->on == *parse_retry_on("5xx,502"));
  CHECK(policy->backoff == milliseconds(100));
  CHECK_FALSE(policy->avoid_previous_hosts);
  auto none = lab_with("retries: {attempts: 0}, " + to("v2"));
  CHECK(retry_policy(none.choose({})) == nullptr);
}

TEST_CASE("CORS: preflights are answered, other responses get their headers") {
  auto lab = lab_with(
      "corsPolicy: {allowOrigins: [{exact: https://a}, {regex: \"https://.*\\\\.b\"}], "
      "allowMethods: [GET, PUT], allowHeaders: [x], exposeHeaders: [y, z], maxAge: 24h, "
      "allowCredentials: true}, " +
      to("v2"));
  const auto ask = [&](const std::string& method, const std::string& origin, bool preflight) {
    Ask one{.headers = {{"origin", origin}}, .method = method};
    if (preflight) one.headers.emplace_back("access-control-request-method", "PUT");
    const Views views(one);
    return cors(*lab.choose(one).rule->cors, views.request);
  };
  const auto answered = ask("OPTIONS", "https://x.b", true);
  CHECK(answered.answer);
  CHECK(answered.headers == std::vector<Header>{{"access-control-allow-origin", "https://x.b"},
                                                {"access-control-allow-credentials", "true"},
                                                {"access-control-expose-headers", "y,z"},
                                                {"access-control-allow-methods", "GET,PUT"},
                                                {"access-control-allow-headers", "x"},
                                                {"access-control-max-age", "86400"}});
  const auto plain = ask("GET", "https://a", false);
  CHECK_FALSE(plain.answer);
  CHECK(plain.headers == std::vector<Header>{{"access-control-allow-origin", "https://a"},
                                             {"access-control-allow-credentials", "true"},
                                             {"access-control-expose-headers", "y,z"}});
  CHECK_FALSE(ask("OPTIONS", "https://a", false).answer);
  CHECK_FALSE(ask("OPTIONS", "https://evil", true).answer);
  CHECK(ask("OPTIONS", "https://evil", true).headers.empty());
  auto strict = lab_with("corsPolicy: {allowOrigins: [{exact: a}], unmatchedPreflights: IGNORE}, " +
                         to("v2"));
  const Ask stranger{.headers = {{"origin", "b"}, {"access-control-request-method", "GET"}},
                     .method = "OPTIONS"};
  const Views views(stranger);
  CHECK(cors(*strict.choose(stranger).rule->cors, views.request).answer);
}
