// The access log line of a connection, with the keys of Istio's ztunnel. Pure; any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "culvert/base/log.hpp"
#include "culvert/telemetry/connection_record.hpp"

namespace culvert::telemetry {

enum class AccessEvent : std::uint8_t {
  kOpened,    // "connection opened"
  kComplete,  // "connection complete", with bytes and duration, and error and policy when it failed
  kFailed,    // "connection failed": refused before its two ends were known
};

/// kDebug for opened; for complete kInfo, or kError when the record has an error; kWarn for failed.
log::Level access_level(AccessEvent event, const ConnectionRecord& record);

/// "connection complete src.addr=10.0.0.1:4000 src.workload="web-0" ... duration="3ms"": one line,
/// for base/log, which puts time and level before it. Values are quoted; quotes, backslashes and
/// all bytes outside printable ASCII are escaped, so that no name can forge a key or a line.
std::string access_text(AccessEvent event, const ConnectionRecord& record);

/// The same as one JSON object with "level", "time" (RFC 3339, UTC, microseconds), "scope" and
/// "message", without a newline. Bytes outside ASCII become U+FFFD.
std::string access_json(AccessEvent event, const ConnectionRecord& record,
                        std::chrono::system_clock::time_point time);

}  // namespace culvert::telemetry
