#include "waypoint/exchange/record.hpp"

#include <algorithm>

namespace culvert::waypoint {
namespace {

constexpr std::uint16_t kRequestTimeout = 408;

ExchangeEnd end_of_stop(StoppedBy who) {
  switch (who) {
    case StoppedBy::kClientReset:
      return ExchangeEnd::kClientReset;
    case StoppedBy::kIdleTime:
      return ExchangeEnd::kIdleTimeout;
    case StoppedBy::kOwner:
      return ExchangeEnd::kLocalReset;
    case StoppedBy::kClient:
      break;
  }
  return ExchangeEnd::kClientGone;
}

/// Who asked, and where it came in.
void set_ends(telemetry::ExchangeRecord& record, proxy::Parties& parties, const Arrival& arrival,
              const std::string& identity) {
  const auto& client = arrival.client;
  record.mutual_tls = client.identity.has_value();
  record.source_address = client.address;
  record.destination_address = arrival.destination;
  record.source = client.workload ? parties.of(client.workload, identity) : proxy::Parties::Party();
  record.service =
      arrival.service ? parties.of(arrival.service) : telemetry::Shared<telemetry::ServiceName>();
}

}  // namespace

void begin_record(Exchange& x) {
  auto& record = x.record;
  const auto& head = x.client.request();
  record.version = head.version;
  record.method = head.method;
  record.path = head.path;
  record.authority = head.authority;
  record.user_agent = head.fields.find("user-agent").value_or("");
  record.forwarded_for = head.fields.find("x-forwarded-for").value_or("");
  record.request_id = head.fields.find("x-request-id").value_or("");
  set_ends(record, x.context.parties(), x.arrival, x.memory->identity);
  record.destination = {};
  record.grpc = x.grpc;
  record.route_name.clear();
  record.virtual_service.clear();
  record.stat_prefix.clear();
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
  record.watched_as = 0;
  record.attempts = 0;
  record.attempt_list.clear();
  record.started = std::chrono::system_clock::now();
}

void record_route(Exchange& x) {
  x.record.route_name = x.decision.route_name;
  if (x.decision.match != nullptr) x.record.stat_prefix = x.decision.match->stat_prefix;
  if (x.decision.rule == nullptr) return;
  x.record.virtual_service = x.decision.rule->virtual_service;
  x.record.rule_index = x.decision.rule->index;
}

void record_refusal(const http::Refusal& why, telemetry::ExchangeRecord& record) {
  record.end = why.status == kRequestTimeout ? ExchangeEnd::kClientTimeout
                                             : telemetry::end_of_client(why.error(Origin::kClient));
  record.details = why.text;
  std::ranges::replace(record.details, ' ', '_');
}

void record_stop(Exchange& x) {
  x.end(end_of_stop(x.client.stopped_by()));
  // Where no head was sent, the connection says the status of what nobody is left to answer.
  if (x.record.status == 0) x.record.status = telemetry::info(x.record.end).http_status;
}

void record_refused(ExchangeContext& context, const Arrival& arrival, http::Version version,
                    const http::Refusal& why) {
  telemetry::ExchangeRecord record;
  const auto& identity = arrival.client.identity;
  set_ends(record, context.parties(), arrival, identity ? identity->to_string() : std::string());
  record.version = version;
  record.started = std::chrono::system_clock::now();
  record.status = why.status;
  record_refusal(why, record);
  context.log().ended(record);
}

}  // namespace culvert::waypoint
