// A request with everything filled in, for tests.
#pragma once

#include "culvert/telemetry/exchange_record.hpp"

namespace culvert::test {

inline telemetry::ExchangeRecord sample_exchange() {
  using namespace std::chrono;
  telemetry::ExchangeRecord record;
  record.version = http::Version::kHttp2;
  record.method = "GET";
  record.path = "/a?b=c";
  record.authority = "web.shop";
  record.user_agent = "curl/8";
  record.forwarded_for = "10.0.0.5";
  record.request_id = "6f9a0c1e-0000-4000-8000-000000000001";
  record.mutual_tls = true;
  record.source_address = *SocketAddress::parse("10.0.0.5:41000");
  record.destination_address = *SocketAddress::parse("10.96.0.1:80");
  record.source = telemetry::Party{.workload = "front",
                                   .pod = "front-0",
                                   .namespace_name = "shop",
                                   .identity = "spiffe://cluster.local/ns/shop/sa/front",
                                   .canonical_service = "front"};
  record.service = telemetry::ServiceName{
      .hostname = "web.shop.svc.cluster.local", .namespace_name = "shop", .name = "web"};
  record.route_name = "shop/routes/0";
  record.virtual_service = "shop/routes";
  record.stat_prefix = "find";
  record.cluster = "outbound|80|v1|web.shop.svc.cluster.local";
  record.status = 200;
  record.upstream_time = milliseconds(7);
  record.received_bytes = 5;
  record.sent_bytes = 70000;
  record.started = system_clock::time_point(milliseconds(1795294800123));
  record.duration = microseconds(12400);
  record.add_attempt({.address = *SocketAddress::parse("10.0.0.7:8080"),
                      .destination = telemetry::Party{.workload = "web", .namespace_name = "shop"},
                      .status = 200,
                      .duration = milliseconds(7)});
  return record;
}

}  // namespace culvert::test
