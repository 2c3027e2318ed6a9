#include "waypoint/exchange/record.hpp"

namespace culvert::waypoint {

void begin_record(Exchange& x) {
  auto& record = x.record;
  const auto& head = x.client.request();
  const auto& client = x.arrival.client;
  record.version = head.version;
  record.method = head.method;
  record.path = head.path;
  record.authority = head.authority;
  record.user_agent = head.fields.find("user-agent").value_or("");
  record.forwarded_for = head.fields.find("x-forwarded-for").value_or("");
  record.request_id = head.fields.find("x-request-id").value_or("");
  record.mutual_tls = client.identity.has_value();
  record.source_address = client.address;
  record.destination_address = x.arrival.destination;
  auto& parties = x.context.parties();
  record.source =
      client.workload ? parties.of(client.workload, x.memory->identity) : proxy::Parties::Party();
  record.destination = {};
  record.service = x.arrival.service ? parties.of(x.arrival.service)
                                     : telemetry::Shared<telemetry::ServiceName>();
  record.grpc = x.grpc;
  record.route_name.clear();
  record.virtual_service.clear();
  record.cluster.clear();
  record.status = 0;
  record.grpc_status.reset();
  record.end = ExchangeEnd::kAnswered;
  record.flags = {};
  record.details.clear();
  record.upstream_failure.clear();
  record.upstream_time.reset();
  record.received_bytes = record.sent_bytes = 0;
  record.request_messages = record.response_messages = {};
  record.attempts = 0;
  record.attempt_list.clear();
  record.started = std::chrono::system_clock::now();
}

void record_route(Exchange& x) {
  x.record.route_name = x.decision.route_name;
  if (x.decision.rule != nullptr) x.record.virtual_service = x.decision.rule->virtual_service;
}

}  // namespace culvert::waypoint
