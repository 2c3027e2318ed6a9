// A request's way through: where it goes, what its head becomes, what is answered here.
#include "world.hpp"

using namespace culvert::waypoint::test;
using culvert::telemetry::ExchangeEnd;
using culvert::waypoint::HttpVersion;

TEST_CASE("a plain service's request goes up as it came, and its answer back") {
  World world("");
  Behaviour does;
  does.status = 201;
  does.fields = {{"x-from", "v1"}};
  does.parts = {"hello ", "world"};
  world.upstreams.set("ratings-a", does);
  const auto answer = world.ask({.path = "/a?b=c",
                                 .fields = {{"x-mine", "1"}},
                                 .authority = "ratings:80",
                                 .service = "ratings"});
  CHECK(answer.status == 201);
  CHECK(answer.body == "hello world");
  CHECK(answer.whole);
  CHECK(answer.header("x-from") == "v1");
  CHECK(answer.header("x-envoy-upstream-service-time") == "0");
  CHECK(answer.flags == "-");
  CHECK(answer.details == "via_upstream");
  CHECK(answer.cluster == "outbound|80||ratings.shop.svc.cluster.local");
  CHECK(answer.record.sent_bytes == 11);
  CHECK(answer.record.attempts == 1);
  REQUIRE(world.upstreams.seen.size() == 1);
  const auto& seen = world.upstreams.seen[0];
  CHECK(seen.head.method == "GET");
  CHECK(seen.head.path == "/a?b=c");
  CHECK(seen.head.authority == "ratings:80");
  CHECK(seen.header("x-mine") == "1");
  CHECK(seen.header("x-envoy-attempt-count") == "1");
  CHECK(seen.header("x-forwarded-proto") == "http");
  const std::string id(seen.header("x-request-id"));
  REQUIRE(id.size() == 36);
  for (std::size_t i = 0; i < id.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    CHECK((dash ? id[i] == '-' : std::string_view("0123456789abcdef").contains(id[i])));
  }
  CHECK(id[14] == '4');
  CHECK(std::string_view("89ab").contains(id[19]));
  CHECK_FALSE(seen.cancelled);
}

TEST_CASE("a rule's headers are set, added and removed in both directions") {
  World world(
      subsets() +
      object("VirtualService", "reviews",
             "{hosts: [reviews], http: [{headers: {request: {set: {x-a: 'new', x-path: "
             "'%REQ(:path)%'}, add: {x-b: two}, remove: [x-c]}, response: {set: {x-r: "
             "'%REQ(x-b)%'}, remove: [x-gone]}}, route: [{destination: {host: reviews, subset: "
             "v1}}]}]}"));
  Behaviour does;
  does.fields = {{"x-gone", "1"}, {"x-r", "old"}};
  world.upstreams.set("v1-a", does);
  const auto answer =
      world.ask({.path = "/p", .fields = {{"x-a", "old"}, {"x-b", "one"}, {"x-c", "three"}}});
  const auto& seen = world.upstreams.seen.at(0);
  CHECK(seen.header("x-a") == "new");
  CHECK(seen.header("x-path") == "/p");
  CHECK(*seen.head.fields.joined("x-b") == "one, two");
  CHECK(seen.header("x-c").empty());
  CHECK(answer.header("x-r") == "one");
  CHECK_FALSE(answer.has("x-gone"));
}

TEST_CASE("a rewrite changes path and authority, and says what they were") {
  auto rule =
      "match: [{uri: {prefix: /old}}], rewrite: {uri: /new, authority: other.example}, " + to("v1");
  World world(subsets() +
              object("VirtualService", "reviews", "{hosts: [reviews], http: [{" + rule + "}]}"));
  world.ask({.path = "/old/x?y=z"});
  const auto& seen = world.upstreams.seen.at(0);
  CHECK(seen.head.path == "/new/x?y=z");
  CHECK(seen.head.authority == "other.example");
  CHECK(seen.header("x-envoy-original-path") == "/old/x?y=z");
  CHECK(seen.header("x-envoy-original-host") == "reviews");
}

TEST_CASE("what is answered here never reaches an upstream") {
  struct Row {
    std::string rule;
    std::uint16_t status;
    std::string body, location, flags, details;
  };
  const std::vector<Row> rows = {
      {"redirect: {uri: /there, authority: else.example}", 301, "", "http://else.example/there",
       "-", "direct_response"},
      {"redirect: {uri: /x, redirectCode: 308}", 308, "", "http://reviews/x", "-",
       "direct_response"},
      {"directResponse: {status: 418, body: {string: tea}}", 418, "tea", "", "-",
       "direct_response"},
      {"match: [{uri: {exact: /never}}], " + to("v1"), 404, "", "", "NR", "route_not_found"},
      {"route: [{destination: {host: nobody}}]", 503, "", "", "NC", "cluster_not_found"},
      {"route: [{destination: {host: reviews, subset: v9}}]", 503, "", "", "NC",
       "cluster_not_found"},
      {"route: [{destination: {host: reviews, subset: v3}}]", 503, "no healthy upstream", "", "UH",
       "no_healthy_upstream"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.rule);
    World world(subsets() + object("VirtualService", "reviews",
                                   "{hosts: [reviews], http: [{" + row.rule + "}]}"));
    const auto answer = world.ask({});
    CHECK(answer.status == row.status);
    CHECK(answer.body == row.body);
    CHECK(answer.header("location") == row.location);
    CHECK(answer.flags == row.flags);
    CHECK(answer.details == row.details);
    CHECK(answer.whole);
    CHECK(answer.header("server") == "culvert");
    CHECK(answer.header("date").size() == 29);
    CHECK(world.upstreams.seen.empty());
  }
}

TEST_CASE("HEAD gets the length of an answer that is ours, and no body") {
  World world(subsets() + object("VirtualService", "reviews",
                                 "{hosts: [reviews], http: [{directResponse: {status: 200, body: "
                                 "{string: tea}}}]}"));
  const auto answer = world.ask({.method = "HEAD"});
  CHECK(answer.status == 200);
  CHECK(answer.body.empty());
  CHECK(answer.whole);
}

TEST_CASE("a path that cannot be normalised is refused, one that can is routed by its form") {
  World world(lab_yaml("match: [{uri: {prefix: /a}}], " + to("v2")));
  const auto refused = world.ask({.path = "/a%00b"});
  CHECK(refused.status == 400);
  CHECK(refused.details == "the_path_cannot_be_normalized");
  CHECK(world.upstreams.seen.empty());
  world.ask({.path = "/x/../%61"});
  CHECK(world.upstreams.seen.at(0).pod == "v2-a");
  CHECK(world.upstreams.seen.at(0).head.path == "/a");
}

TEST_CASE("gRPC clients are told in trailers alone") {
  struct Row {
    std::string rule, grpc_status, message;
  };
  const std::vector<Row> rows = {
      {"match: [{uri: {exact: /never}}], " + to("v1"), "12", ""},
      {to("v3"), "14", "no healthy upstream"},
      {"fault: {abort: {grpcStatus: NOT_FOUND, percentage: {value: 100}}}, " + to("v1"), "5",
       "fault filter abort"},
      {"fault: {abort: {httpStatus: 429, percentage: {value: 100}}}, " + to("v1"), "14",
       "fault filter abort"},
      {"fault: {abort: {httpStatus: 200, percentage: {value: 100}}}, " + to("v1"), "2",
       "fault filter abort"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.rule);
    World world(subsets() + object("VirtualService", "reviews",
                                   "{hosts: [reviews], http: [{" + row.rule + "}]}"));
    const auto answer = world.ask({.fields = {{"content-type", "application/grpc+proto"}},
                                   .method = "POST",
                                   .parts = {"x"},
                                   .version = culvert::http::Version::kHttp2});
    CHECK(answer.status == 200);
    CHECK(answer.header("content-type") == "application/grpc");
    CHECK(answer.header("grpc-status") == row.grpc_status);
    CHECK(answer.header("grpc-message") == row.message);
    CHECK(answer.body.empty());
    CHECK(answer.whole);
    CHECK(answer.record.grpc_status.has_value());
    CHECK(world.upstreams.seen.empty());
  }
}

TEST_CASE("trailers, informational heads and gRPC's status come through") {
  World world("");
  Behaviour does;
  does.informational = {100, 103};
  does.parts = {std::string("\0\0\0\0\1x", 6)};
  does.trailers = {{"grpc-status", "7"}, {"x-t", "1"}};
  world.upstreams.set("ratings-a", does);
  const auto answer =
      world.ask({.fields = {{"content-type", "application/grpc"}, {"te", "trailers"}},
                 .method = "POST",
                 .parts = {std::string("\0\0\0\0\1y", 6)},
                 .trailers = {{"x-up", "2"}},
                 .service = "ratings"});
  CHECK(answer.informational == std::vector<std::uint16_t>{103});  // 100 is said by us
  CHECK(answer.trailers == does.trailers);
  CHECK(answer.record.grpc_status == 7);
  CHECK(answer.record.request_messages.count() == 1);
  CHECK(answer.record.response_messages.count() == 1);
  CHECK(world.upstreams.seen.at(0).trailers == FieldList{{"x-up", "2"}});
  CHECK(world.upstreams.seen.at(0).header("te") == "trailers");
}

TEST_CASE("who asked is told on: the certificate's identity behind what was forwarded") {
  World world("");
  const std::string by = "By=spiffe://cluster.local/ns/shop/sa/waypoint;";
  const std::string uri = "URI=spiffe://cluster.local/ns/shop/sa/web";
  world.ask({.service = "ratings"});
  world.ask({.fields = {{"x-forwarded-client-cert", "Hash=1"}}, .service = "ratings"});
  world.ask({.fields = {{"x-forwarded-client-cert", "Hash=1"}},
             .with_identity = false,
             .service = "ratings"});
  CHECK(world.upstreams.seen.at(0).header("x-forwarded-client-cert") == by + uri);
  CHECK(world.upstreams.seen.at(1).header("x-forwarded-client-cert") == "Hash=1," + by + uri);
  CHECK(world.upstreams.seen.at(2).header("x-forwarded-client-cert").empty());
  world.ask({.fields = {{"x-forwarded-client-cert", ""}}, .service = "ratings"});
  CHECK(world.upstreams.seen.at(3).header("x-forwarded-client-cert") == by + uri);
}

TEST_CASE("x-request-id, x-forwarded-proto and -for of the mesh are the caller's own") {
  World world("");
  world.ask({.fields = {{"x-request-id", "mine"},
                        {"x-forwarded-proto", "https"},
                        {"x-forwarded-for", "1.2.3.4"}},
             .service = "ratings"});
  const auto& seen = world.upstreams.seen.at(0);
  CHECK(seen.header("x-request-id") == "mine");
  CHECK(seen.header("x-forwarded-proto") == "https");
  CHECK(seen.header("x-forwarded-for") == "1.2.3.4");
}

TEST_CASE("at an edge the client's address is added, and its scheme is what we saw") {
  World world(object("VirtualService", "reviews",
                     "{hosts: ['*'], gateways: [edge], http: [{route: [{destination: {host: "
                     "reviews}}]}]}"));
  Ask ask{.fields = {{"x-forwarded-proto", "https"},
                     {"x-forwarded-for", "1.2.3.4"},
                     {"x-envoy-max-retries", "9"},
                     {"x-envoy-retry-on", "5xx"},
                     {"x-envoy-internal", "true"},
                     {"x-envoy-external-address", "10.0.0.1"}},
          .authority = "shop.example",
          .with_identity = false,
          .gateway = "shop/edge"};
  Behaviour bad;
  bad.status = 500;
  world.upstreams.set("v1-a", bad);
  world.upstreams.set("v2-a", bad);
  const auto answer = world.ask(ask);
  CHECK(answer.status == 500);
  CHECK(answer.record.service->hostname == "reviews.shop.svc.cluster.local");  // by the rules
  REQUIRE(world.upstreams.seen.size() == 1);  // a stranger's x-envoy- headers count for nothing
  const auto& seen = world.upstreams.seen.at(0);
  CHECK(seen.header("x-forwarded-for") == "1.2.3.4,10.0.0.5");
  CHECK(seen.header("x-forwarded-proto") == "http");
  CHECK(seen.header("x-envoy-max-retries").empty());
  CHECK(seen.header("x-envoy-retry-on").empty());
  CHECK(seen.header("x-envoy-internal").empty());
  CHECK(seen.header("x-envoy-external-address").empty());
}

TEST_CASE("no stranger gets a request past an edge as one that came by TLS") {
  World world(object("VirtualService", "reviews",
                     "{hosts: [reviews], gateways: [edge, mesh], http: ["
                     "{match: [{scheme: {exact: https}}], directResponse: {status: 418}}, "
                     "{route: [{destination: {host: reviews}}]}]}"));
  Ask ask{.authority = "reviews.shop.svc.cluster.local", .scheme = "https", .gateway = "shop/edge"};
  CHECK(world.ask(ask).status == 200);
  CHECK(world.upstreams.seen.at(0).header("x-forwarded-proto") == "http");
  ask = {.scheme = "https"};  // workloads of the mesh speak for themselves
  CHECK(world.ask(ask).status == 418);
}

TEST_CASE("where a request to a pod's own address goes: a rule's destination, else the pod") {
  const std::string own = "route: [{destination: {host: reviews}}]";
  struct Row {
    const char* what;
    std::string rule;
    std::set<std::string> pods;  // all who get requests
    std::string cluster;
  };
  const std::string all = "outbound|80||reviews.shop.svc.cluster.local";
  const std::string v2 = "outbound|80|v2|reviews.shop.svc.cluster.local";
  const std::string drawn =
      "route: [{destination: {host: reviews}, weight: 50}, "
      "{destination: {host: ratings}, weight: 50}]";
  const std::vector<Row> rows = {
      {"no rule", "", {"v1-a"}, all},
      {"the service itself", own, {"v1-a"}, all},
      {"the service itself, at its port",
       "route: [{destination: {host: reviews, port: {number: 80}}}]",
       {"v1-a"},
       all},
      {"the service at another port",
       "route: [{destination: {host: reviews, port: {number: 9090}}}]",
       {"v1-a", "v1-b", "v2-a", "v2-b"},
       "outbound|9090||reviews.shop.svc.cluster.local"},
      {"a subset without the pod", to("v2"), {"v2-a", "v2-b"}, v2},
      {"a subset with the pod",
       to("v1"),
       {"v1-a", "v1-b"},
       "outbound|80|v1|reviews.shop.svc.cluster.local"},
      {"another service",
       "route: [{destination: {host: ratings}}]",
       {"ratings-a"},
       "outbound|80||ratings.shop.svc.cluster.local"},
      {"by weight the service itself or another", drawn, {"v1-a", "ratings-a"}, ""},
  };
  for (const auto& row : rows) {
    CAPTURE(row.what);
    World world(
        subsets() + (row.rule.empty() ? ""
                                      : object("VirtualService", "reviews",
                                               "{hosts: [reviews], http: [{" + row.rule + "}]}")),
        {"v1-a", "v1-b", "v2-a", "v2-b", "ratings-a"});
    for (int i = 0; i < 60; ++i) {
      const auto answer = world.ask({.service = "", .workload = "v1-a", .port = 8080});
      CHECK(answer.status == 200);
      if (!row.cluster.empty()) CHECK(answer.cluster == row.cluster);
    }
    std::set<std::string> pods;
    for (const auto& seen : world.upstreams.seen) {
      pods.insert(seen.pod);
      CHECK(seen.address.port == 8080);
    }
    CHECK(pods == row.pods);
  }
}

TEST_CASE("a pod that was dialled gets its service's rules, and its retries") {
  World world(lab_yaml("match: [{uri: {prefix: /own}}], headers: {request: {set: {x-rule: '1'}}}, "
                       "retries: {attempts: 2, retryOn: 5xx}, "
                       "route: [{destination: {host: reviews}}]"),
              {"v1-a", "v1-b"});
  world.upstreams.pods["v1-a"] = [](int count) {
    Behaviour does;
    does.status = count < 2 ? 503 : 200;
    return does;
  };
  const auto answer = world.ask({.path = "/own", .service = "", .workload = "v1-a", .port = 8080});
  CHECK(answer.status == 200);
  CHECK(world.upstreams.count("v1-a") == 3);
  CHECK(world.upstreams.count("v1-b") == 0);
  CHECK(world.upstreams.seen.at(0).header("x-rule") == "1");
  const auto aborted =
      World(lab_yaml("fault: {abort: {httpStatus: 555, percentage: {value: 100}}}, " + to("v2")))
          .ask({.service = "", .workload = "v1-a", .port = 8080});
  CHECK(aborted.status == 555);
}

TEST_CASE("a rule's pods that are not there are no reason to send to the pod that was dialled") {
  World world(lab_yaml(to("v2")), {"v1-a", "v2-a"});
  world.set_healthy("v2-a", false);
  const auto answer = world.ask({.service = "", .workload = "v1-a", .port = 8080});
  CHECK(answer.status == 503);
  CHECK(answer.flags == "UH");
  CHECK(world.upstreams.seen.empty());
}

TEST_CASE("a workload without a service at the port is reached without rules") {
  World world("");
  const auto answer = world.ask({.service = "", .workload = "v1-a", .port = 9999});
  CHECK(answer.status == 200);
  CHECK(answer.route == "default");
  CHECK(world.upstreams.seen.at(0).pod == "v1-a");
  CHECK(world.upstreams.seen.at(0).address.port == 9999);
}

TEST_CASE("rules that were all refused answer 503 with a flag of their own") {
  World world(subsets());
  world.refuse_rules();
  const auto answer = world.ask({});
  CHECK(answer.status == 503);
  CHECK(answer.flags == "CR");
  CHECK(answer.end == ExchangeEnd::kConfigRefused);
  CHECK(world.upstreams.seen.empty());
}

TEST_CASE("the cookie steers, in whatever place it stands") {
  const auto yaml =
      lab_yaml("match: [{headers: {cookie: {regex: '^(.*?;)?(user=jason)(;.*)?$'}}}], " + to("v2"));
  const std::vector<std::pair<std::string, std::string>> rows = {
      {"user=jason", "v2-a"},     {"a=b;user=jason;c=d", "v2-a"}, {"user=jasonx", "v1-a"},
      {"xuser=jason", "v1-a"},    {"USER=jason", "v1-a"},         {"", "v1-a"},
      {"a=b; user=jason", "v1-a"}};
  for (const auto& [cookie, pod] : rows) {
    CAPTURE(cookie);
    World world(yaml);
    Ask ask;
    if (!cookie.empty()) ask.fields = {{"cookie", cookie}};
    world.ask(ask);
    CHECK(world.upstreams.seen.at(0).pod == pod);
  }
}

TEST_CASE("the upstream's protocol is the policy's, the port's, else the client's") {
  struct Row {
    std::string policy;
    culvert::http::Version client;
    HttpVersion up;
  };
  const auto http1 = culvert::http::Version::kHttp11;
  const auto http2 = culvert::http::Version::kHttp2;
  const std::vector<Row> rows = {
      {"", http1, HttpVersion::kHttp1},  // the port is declared http
      {"", http2, HttpVersion::kHttp1},
      {"{connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}", http1, HttpVersion::kHttp2},
      {"{connectionPool: {http: {useClientProtocol: true}}}", http1, HttpVersion::kHttp1},
      {"{connectionPool: {http: {useClientProtocol: true}}}", http2, HttpVersion::kHttp2},
  };
  for (const auto& row : rows) {
    CAPTURE(row.policy);
    World world(subsets(row.policy));
    world.ask({.version = row.client});
    CHECK(world.upstreams.seen.at(0).version == row.up);
  }
}

TEST_CASE("Expect is answered by us and does not go up") {
  World world("");
  world.ask({.fields = {{"expect", "100-continue"}},
             .method = "POST",
             .parts = {"x"},
             .service = "ratings"});
  CHECK(world.upstreams.seen.at(0).header("expect").empty());
  CHECK(world.upstreams.seen.at(0).body == "x");
}

TEST_CASE("who watches is told of the begin, each attempt and the answer; nobody else is") {
  World world(lab_yaml("name: again, retries: {attempts: 1, retryOn: 5xx}, " + to("v1")),
              {"v1-a", "v1-b"});
  Behaviour bad;
  bad.status = 500;
  for (const char* pod : {"v1-a", "v1-b"}) world.upstreams.set(pod, bad);
  world.ask({});
  CHECK(world.told.empty());
  world.watched = true;
  world.ask({});
  REQUIRE(world.told.size() == 4);
  CHECK(world.told[0].starts_with("begin again"));
  const auto& first = world.told[1];
  const auto& second = world.told[2];
  CHECK(first.starts_with("attempt v1-"));
  CHECK(second.starts_with("attempt v1-"));
  CHECK(first != second);
  CHECK(world.told[3] == "answer" + second.substr(second.find(' ')));
  world.watched = false;
  world.ask({});
  CHECK(world.told.size() == 4);
}
