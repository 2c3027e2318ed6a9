// What is said of a request that need not exist: rules, the reason, weights.
#include "culvert/explain/request.hpp"

#include <doctest/doctest.h>

#include "../l7/lab.hpp"

using namespace culvert;
using namespace culvert::explain;
using l7::test::Lab;
using Kind = l7::Decision::Kind;

namespace {

constexpr const char* kHost = "reviews.shop.svc.cluster.local";

const mesh::WorkloadPtr& client() {
  static const mesh::WorkloadPtr pod = [] {
    auto w = std::make_shared<mesh::Workload>();
    w->ns = "shop";
    w->service_account = "web";
    w->trust_domain = "cluster.local";
    return w;
  }();
  return pod;
}

RequestAnswer ask(const std::string& rules, RequestQuestion question) {
  Lab lab(l7::test::subsets() +
          l7::test::object("VirtualService", "reviews", "{hosts: [reviews], http: " + rules + "}"));
  return explain_request({.routes = *lab.table,
                          .host = kHost,
                          .port = 80,
                          .method = question.method,
                          .path = question.path,
                          .headers = question.headers,
                          .client = client()});
}

const l7::RouteTable kNone;

}  // namespace

TEST_CASE("the rules are told up to the match, each with its reason") {
  const auto answer = ask("[{name: jason, match: [{headers: {end-user: {exact: jason}}}], " +
                              l7::test::to("v2") + "}, {name: rest, " + l7::test::to("v1") + "}]",
                          {.routes = kNone, .path = "/a"});
  CHECK(answer.kind == Kind::kForward);
  CHECK(answer.route_name.starts_with("rest"));
  CHECK(answer.virtual_service == "shop/reviews");
  REQUIRE(answer.steps.size() == 3);
  CHECK(answer.steps[0].text.find("does not match") != std::string::npos);
  CHECK(answer.steps[0].text.find("end-user") != std::string::npos);
  CHECK(answer.steps[0].objects == std::vector<ObjectRef>{{"VirtualService", "shop", "reviews"}});
  CHECK(answer.steps[1].text.find(" matches") != std::string::npos);
  CHECK(answer.steps[2].text.starts_with("GET reviews.shop.svc.cluster.local/a: forwarded to "));
  CHECK(answer.shares.size() == 1);
}

TEST_CASE("a header of the request decides") {
  const auto answer = ask("[{match: [{headers: {end-user: {exact: jason}}}], " +
                              l7::test::to("v2") + "}, {" + l7::test::to("v1") + "}]",
                          {.routes = kNone, .headers = {{"end-user", "jason"}}});
  CHECK(answer.shares ==
        std::vector<RequestAnswer::Share>{{"reviews.shop.svc.cluster.local v2 port 80", 100}});
}

TEST_CASE("weights are told in per cent, whichever was drawn") {
  const auto answer =
      ask("[{timeout: 2s, route: [{destination: {host: reviews, subset: v1}, weight: 1}, "
          "{destination: {host: reviews, subset: v2}, weight: 3}]}]",
          {.routes = kNone});
  REQUIRE(answer.shares.size() == 2);
  CHECK(answer.shares[0].percent == 25);
  CHECK(answer.shares[1].percent == 75);
  CHECK(answer.text.find("v1 port 80 25 %") != std::string::npos);
  CHECK(answer.text.find("within 2000 ms") != std::string::npos);
}

TEST_CASE("what is no forward says what it is") {
  CHECK(ask("[{redirect: {uri: /b, redirectCode: 302}}]", {.routes = kNone}).text ==
        "redirected with status 302");
  CHECK(ask("[{directResponse: {status: 503, body: {string: x}}}]", {.routes = kNone}).text ==
        "answered with status 503");
  const auto none = ask("[{match: [{uri: {exact: /b}}], " + l7::test::to("v1") + "}]",
                        {.routes = kNone, .path = "/a"});
  CHECK(none.kind == Kind::kNoRoute);
  CHECK(none.text.find("NR") != std::string::npos);
  CHECK(none.virtual_service.empty());
}

TEST_CASE("a service of which no rule speaks is forwarded to as it is") {
  Lab lab("");
  const auto answer =
      explain_request({.routes = *lab.table, .host = kHost, .port = 80, .client = client()});
  CHECK(answer.kind == Kind::kForward);
  CHECK(answer.text.starts_with("forwarded to reviews.shop.svc.cluster.local port 80"));
  CHECK(answer.steps.size() == 1);
}

TEST_CASE("of very many rules the last ones are told") {
  std::string rules = "[";
  for (std::size_t i = 0; i < kMaxRulesTold + 10; ++i) {
    rules += "{match: [{uri: {exact: /" + std::to_string(i) + "}}], " + l7::test::to("v1") + "}, ";
  }
  const auto answer = ask(rules + "{" + l7::test::to("v2") + "}]", {.routes = kNone, .path = "/x"});
  CHECK(answer.steps.size() == kMaxRulesTold + 2);
  CHECK(answer.steps[0].text == "11 rules before do not match");
}
