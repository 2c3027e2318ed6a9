// Whom a failure is blamed on: what is not the host's fault neither ejects it nor is tried again.
#include "world.hpp"

using namespace culvert;
using namespace culvert::waypoint;
using namespace culvert::waypoint::test;

namespace {

/// One error ejects a pod, and all of them may be out.
const std::string kStrict =
    "{outlierDetection: {consecutive5xxErrors: 1, baseEjectionTime: 1m, maxEjectionPercent: 100}}";

World strict(const std::string& rule) {
  return World(subsets(kStrict) + object("VirtualService", "reviews",
                                         "{hosts: [reviews], http: [{" + rule +
                                             "route: [{destination: {host: reviews}}]}]}"),
               {"v1-a"});
}

bool is_ejected(World& world) {
  world.upstreams.set("v1-a", {});
  return world.ask({}).flags == "UH";
}

}  // namespace

TEST_CASE("whom policy refuses ejects no pod for others, nor do errors of our own side") {
  struct Row {
    ErrorCode code;
    Origin origin;
    bool blamed;
  };
  const std::vector<Row> rows = {
      {ErrorCode::kDenied, Origin::kUpstream, false},  // CONNECT was answered with 401
      {ErrorCode::kNoCertificate, Origin::kControl, false},
      {ErrorCode::kNoWorkload, Origin::kControl, false},
      {ErrorCode::kSystem, Origin::kLocal, false},
      {ErrorCode::kInvalid, Origin::kLocal, false},
      {ErrorCode::kRefused, Origin::kUpstream, true},
      {ErrorCode::kIdentity, Origin::kUpstream, true},
  };
  for (const auto& row : rows) {
    CAPTURE(error_info(row.code).name);
    auto world = strict("retries: {attempts: 2, retryOn: 'connect-failure,5xx'}, ");
    Behaviour does;
    does.connect = row.code;
    does.connect_by = row.origin;
    world.upstreams.set("v1-a", does);
    const auto answer = world.ask({});
    CHECK(answer.status == 503);
    if (!row.blamed) {
      CHECK(answer.end == telemetry::ExchangeEnd::kConnectFailed);
      CHECK(answer.record.attempts == 1);
    }
    CHECK(is_ejected(world) == row.blamed);
  }
}

TEST_CASE("a head that our side cannot write is no fault of the host's") {
  auto world = strict("retries: {attempts: 2, retryOn: 'reset,5xx'}, ");
  Behaviour does;
  does.head_fits = false;
  world.upstreams.set("v1-a", does);
  const auto answer = world.ask({});
  CHECK(answer.status == 502);
  CHECK(answer.record.attempts == 1);
  CHECK_FALSE(is_ejected(world));
}

TEST_CASE("HTTP/1.0 need not name a host: upstream gets the address that was asked") {
  World edge(object("VirtualService", "web",
                    "{hosts: ['*'], gateways: [edge], http: [{route: [{destination: {host: "
                    "reviews}}]}]}"),
             {"v1-a"});
  const Ask old{.authority = "", .version = http::Version::kHttp10, .gateway = "shop/edge"};
  CHECK(edge.ask(old).status == 200);
  CHECK(edge.upstreams.seen.at(0).head.authority == "10.96.0.1:80");
  // A service has its name, and a pod without a service its address, of either family.
  World world("", {"v1-a"});
  CHECK(world.ask({.authority = "", .version = http::Version::kHttp10}).status == 200);
  CHECK(world.upstreams.seen.at(0).head.authority == "reviews.shop.svc.cluster.local");
  Ask dialled{.authority = "", .version = http::Version::kHttp10};
  dialled.workload = "v1-a";
  dialled.port = 9999;
  const auto answer = world.ask(dialled);
  CHECK(answer.status == 200);
  CHECK(world.upstreams.seen.at(1).head.authority == "10.0.1.1:9999");
}

TEST_CASE("a time that the caller chose says nothing of the host, the route's does") {
  struct Row {
    std::string rule;
    FieldList wishes;
    bool blamed;
  };
  const std::vector<Row> rows = {
      {"timeout: 5s, ", {{"x-envoy-upstream-rq-timeout-ms", "50"}}, false},
      {"", {{"x-envoy-upstream-rq-timeout-ms", "50"}}, false},
      {"timeout: 5s, ", {{"x-envoy-upstream-rq-per-try-timeout-ms", "50"}}, false},
      {"timeout: 5s, ", {}, true},
      // More than the route gives: it was too slow by the route's time, too.
      {"timeout: 1s, ", {{"x-envoy-upstream-rq-timeout-ms", "5000"}}, true},
      {"timeout: 5s, retries: {attempts: 1, perTryTimeout: 1s}, ",
       {{"x-envoy-upstream-rq-per-try-timeout-ms", "50"}},
       false},
      {"timeout: 5s, retries: {attempts: 1, perTryTimeout: 1s}, ", {}, true},
  };
  Behaviour silent;
  silent.answers = false;
  for (const auto& row : rows) {
    CAPTURE(row.rule);
    CAPTURE(row.wishes.size());
    auto world = strict(row.rule);
    world.upstreams.set("v1-a", silent);
    const auto answer = world.ask({.fields = row.wishes});
    CHECK(answer.status != 200);
    CHECK(is_ejected(world) == row.blamed);
  }
}
