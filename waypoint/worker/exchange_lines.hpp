// The line of each exchange in the log. One a worker, on its thread.
#pragma once

#include "culvert/base/log.hpp"
#include "culvert/telemetry/exchange_record.hpp"
#include "waypoint/exchange/context.hpp"

namespace culvert::waypoint {

class ExchangeLines final : public ExchangeLog {
 public:
  void ended(const telemetry::ExchangeRecord& record) override {
    log::debug("{} {}{} of {}: {} {} by route \"{}\", {} attempt(s)", record.method,
               record.authority, record.path, record.source_address.to_string(), record.status,
               record.code_details(), record.route_name, record.attempts);
  }
};

}  // namespace culvert::waypoint
