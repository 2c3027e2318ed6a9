#include "waypoint/telemetry/request_log.hpp"

#include "culvert/telemetry/exchange_log.hpp"

namespace culvert::waypoint {

void RequestLog::ended(const telemetry::ExchangeRecord& record) {
  requests_.count(record);
  if (filter_.wants(record)) {
    lines_.push((json_ ? telemetry::exchange_json(record) : telemetry::exchange_text(record)) +
                "\n");
  }
  if (tap_.watched(std::chrono::steady_clock::now())) {
    tap_.push(telemetry::exchange_json(record, true));
  }
}

}  // namespace culvert::waypoint
