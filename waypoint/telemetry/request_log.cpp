#include "waypoint/telemetry/request_log.hpp"

#include "culvert/telemetry/exchange_log.hpp"

namespace culvert::waypoint {

using telemetry::ExchangeEvent;

void RequestLog::ended(const telemetry::ExchangeRecord& record) {
  requests_.count(record);
  if (filter_.wants(record)) {
    line_.clear();
    if (json_) {
      line_ = telemetry::exchange_json(record);
    } else {
      telemetry::append_exchange_text(line_, record);
    }
    lines_.push(line_ += '\n');
  }
  if (tap_.watched(std::chrono::steady_clock::now())) {
    tap_.push(telemetry::exchange_event_json(record, ExchangeEvent::kEnd));
  }
}

void RequestLog::began(telemetry::ExchangeRecord& record, io::Deadline now) {
  if (!tap_.watched(now)) return;
  record.watched_as = tap_.next_number();
  tap_.push(telemetry::exchange_event_json(record, ExchangeEvent::kBegin));
}

void RequestLog::went_on(const telemetry::ExchangeRecord& record, ExchangeEvent event,
                         const telemetry::AttemptRecord& attempt) {
  tap_.push(telemetry::exchange_event_json(record, event, &attempt));
}

}  // namespace culvert::waypoint
