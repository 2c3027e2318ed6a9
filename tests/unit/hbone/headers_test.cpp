#include "culvert/hbone/headers.hpp"

#include <doctest/doctest.h>

using namespace culvert;
using namespace culvert::hbone;

namespace {
const Headers kMinimal{{":method", "CONNECT"}, {":authority", "10.0.0.1:80"}};
}

TEST_CASE("a CONNECT has the headers that Istio's ztunnel sends, and reads back") {
  ConnectRequest request{.authority = *Authority::parse("10.0.0.1:80"),
                         .baggage = {.cluster = "Kubernetes",
                                     .namespace_name = "shop",
                                     .workload_type = "deployment",
                                     .workload = "web",
                                     .service = "web",
                                     .revision = "v1"},
                         .forwarded = Forwarded{.source = SocketAddress::parse("10.0.0.5:41000"),
                                                .host = "db.shop.svc.cluster.local"},
                         .traceparent = TraceParent::from_random(1, 2, 3)};
  const auto headers = build_connect(request);
  REQUIRE(headers);
  CHECK(*headers ==
        Headers{{":method", "CONNECT"},
                {":authority", "10.0.0.1:80"},
                {"baggage",
                 "k8s.cluster.name=Kubernetes,k8s.namespace.name=shop,k8s.deployment.name=web,"
                 "service.name=web,service.version=v1"},
                {"forwarded", "for=\"10.0.0.5:41000\";host=db.shop.svc.cluster.local"},
                {"traceparent", "00-00000000000000010000000000000002-0000000000000003-00"}});
  CHECK(*parse_connect(*headers) == request);
}

TEST_CASE("a minimal CONNECT is enough and unknown headers are ignored") {
  auto headers = kMinimal;
  headers.push_back({"x-anything", "goes"});
  const auto request = parse_connect(headers);
  REQUIRE(request);
  CHECK(request->baggage.empty());
  CHECK_FALSE(request->forwarded);
}

TEST_CASE("what is not a proper CONNECT is refused") {
  for (const Headers& headers :
       {Headers{}, Headers{{":method", "GET"}, {":authority", "10.0.0.1:80"}},
        Headers{{":method", "connect"}, {":authority", "10.0.0.1:80"}},
        Headers{{":method", "CONNECT"}}, Headers{{":authority", "10.0.0.1:80"}},
        Headers{{":method", "CONNECT"}, {":method", "CONNECT"}, {":authority", "10.0.0.1:80"}},
        Headers{
            {":method", "CONNECT"}, {":authority", "10.0.0.1:80"}, {":authority", "10.0.0.2:80"}},
        Headers{{":method", "CONNECT"}, {":authority", "10.0.0.1:80"}, {":path", "/"}},
        Headers{{":method", "CONNECT"}, {":authority", "10.0.0.1:80"}, {":scheme", "http"}},
        Headers{{":method", "CONNECT"}, {":authority", "10.0.0.1:80"}, {":protocol", "websocket"}},
        Headers{{":method", "CONNECT"}, {":authority", "10.0.0.1"}}}) {
    CHECK(parse_connect(headers).error().code == ErrorCode::kInvalid);
  }
}

TEST_CASE("broken informative headers are as if absent") {
  for (const Header& header :
       {Header{"baggage", "=x"}, Header{"forwarded", "for"}, Header{"traceparent", "00-zz"},
        Header{"baggage", std::string(9000, 'a')}}) {
    auto headers = kMinimal;
    headers.push_back(header);
    CHECK(*parse_connect(headers) == *parse_connect(kMinimal));
  }
  auto twice = kMinimal;
  twice.push_back({"baggage", "service.name=a"});
  twice.push_back({"baggage", "service.name=b"});
  CHECK(parse_connect(twice)->baggage.empty());
}

TEST_CASE("a CONNECT to a forged host is not built") {
  ConnectRequest request{.authority = {HostPort{"web\r\nx: y", 80}}};
  CHECK_FALSE(build_connect(request));
}

TEST_CASE("responses carry status and baggage") {
  const ConnectResponse response{.status = 200, .baggage = {.service = "db"}};
  CHECK(build_response(response) == Headers{{":status", "200"}, {"baggage", "service.name=db"}});
  CHECK(*parse_response(build_response(response)) == response);
  CHECK(build_response({.status = 401}).size() == 1);
  for (const char* status : {"", "20", "2000", "abc", "099", "600", "-20", "2 0", "+20"}) {
    CHECK_FALSE(parse_response({{":status", status}}));
  }
  CHECK_FALSE(parse_response({}));
  CHECK_FALSE(parse_response({{":status", "200"}, {":status", "200"}}));
}

TEST_CASE("a status says what went wrong") {
  CHECK(error_of_status(401).code == ErrorCode::kDenied);
  CHECK(error_of_status(503).code == ErrorCode::kRefused);
  CHECK(error_of_status(400).code == ErrorCode::kInvalid);
  CHECK(error_of_status(302).code == ErrorCode::kProtocol);
  CHECK(error_of_status(401).origin == Origin::kUpstream);
}
