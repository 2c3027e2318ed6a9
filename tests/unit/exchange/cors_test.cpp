// CORS: preflights are answered here; other answers, ours too, get their headers.
#include "world.hpp"

using namespace culvert::waypoint::test;

namespace {

std::string cors(const std::string& rest) {
  return lab_yaml(
      "corsPolicy: {allowOrigins: [{exact: 'http://a.example'}], allowMethods: [GET, "
      "PUT], allowHeaders: [x-a], exposeHeaders: [x-b], maxAge: 1h, allowCredentials: "
      "true}, " +
      rest);
}

Ask preflight(const std::string& origin) {
  return {.fields = {{"origin", origin}, {"access-control-request-method", "PUT"}},
          .method = "OPTIONS"};
}

}  // namespace

TEST_CASE("a preflight of an allowed origin is answered here") {
  World world(cors(to("v1")));
  const auto answer = world.ask(preflight("http://a.example"));
  CHECK(answer.status == 200);
  CHECK(answer.body.empty());
  CHECK(answer.header("access-control-allow-origin") == "http://a.example");
  CHECK(answer.header("access-control-allow-methods") == "GET,PUT");
  CHECK(answer.header("access-control-allow-headers") == "x-a");
  CHECK(answer.header("access-control-max-age") == "3600");
  CHECK(answer.header("access-control-allow-credentials") == "true");
  CHECK(world.upstreams.seen.empty());
}

TEST_CASE("a preflight of another origin goes up") {
  World world(cors(to("v1")));
  const auto answer = world.ask(preflight("http://b.example"));
  CHECK_FALSE(answer.has("access-control-allow-origin"));
  CHECK(world.upstreams.seen.size() == 1);
  World strict(
      lab_yaml("corsPolicy: {allowOrigins: [{exact: 'http://a.example'}], "
               "unmatchedPreflights: IGNORE}, " +
               to("v1")));
  const auto refused = strict.ask(preflight("http://b.example"));
  CHECK(refused.status == 200);
  CHECK_FALSE(refused.has("access-control-allow-origin"));
  CHECK(strict.upstreams.seen.empty());
}

TEST_CASE("an answer from upstream and one of ours both say who may read it") {
  World world(cors("match: [{uri: {prefix: /ok}}], " + to("v1")));
  Behaviour does;
  does.fields = {{"access-control-allow-origin", "*"}};
  world.upstreams.set("v1-a", does);
  const auto answer = world.ask({.path = "/ok", .fields = {{"origin", "http://a.example"}}});
  CHECK(answer.header("access-control-allow-origin") == "http://a.example");  // replaced
  CHECK(answer.header("access-control-expose-headers") == "x-b");
  World aborting(cors("fault: {abort: {httpStatus: 500, percentage: {value: 100}}}, " + to("v1")));
  const auto aborted = aborting.ask({.fields = {{"origin", "http://a.example"}}});
  CHECK(aborted.status == 500);
  CHECK(aborted.header("access-control-allow-origin") == "http://a.example");
}

TEST_CASE("without an origin CORS says nothing") {
  World world(cors(to("v1")));
  CHECK_FALSE(world.ask({}).has("access-control-allow-origin"));
}
