#include "waypoint/telemetry/request_log.hpp"

#include "culvert/telemetry/exchange_log.hpp"

namespace culvert::waypoint {

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
    tap_.push(telemetry::exchange_json(record, true));
  }
}

}  // namespace culvert::waypoint
