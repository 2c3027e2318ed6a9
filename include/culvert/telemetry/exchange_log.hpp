// The access-log line of an HTTP request: Envoy's default text as Istio has it, or JSON with
// Istio's keys. Pure; any thread.
#pragma once

#include <string>

#include "culvert/telemetry/exchange_record.hpp"

namespace culvert::telemetry {

/// `[2026-11-21T21:00:00.123Z] "GET /a HTTP/1.1" 200 - via_upstream - "-" 0 12 3 2 "-" "curl" "id"
/// "web.shop" "10.0.0.7:8080" outbound|80||web.shop.svc.cluster.local - 10.96.0.1:80 10.0.0.5:41000
/// - default 1`: the fields of Istio's default, and the number of attempts. "-" is what there is
/// not. No newline. What a client sent is quoted and escaped. Behind what is in `out`.
void append_exchange_text(std::string& out, const ExchangeRecord& record);

/// The same as one JSON object, with Istio's keys, and who asked whom by which rule.
std::string exchange_json(const ExchangeRecord& record);

/// What those who watch are told of a request, in its order.
enum class ExchangeEvent : std::uint8_t {
  kBegin,    // its route is chosen
  kAttempt,  // an attempt begins
  kAnswer,   // the client is sent the head of an upstream's response
  kEnd,
};
/// As exchange_json(), with "event", the request's number as "id", and as much as is known by then:
/// of kAttempt and kAnswer `attempt`, which is under way (not null), of kEnd the list of all.
std::string exchange_event_json(const ExchangeRecord& record, ExchangeEvent event,
                                const AttemptRecord* attempt = nullptr);

}  // namespace culvert::telemetry
