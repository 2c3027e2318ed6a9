// How an exchange ends, as its client is told: lib/telemetry has the table of statuses and flags,
// here stand the bodies, and what gRPC makes of it.
#pragma once

#include <cstdint>

#include "culvert/telemetry/exchange_end.hpp"

namespace culvert::waypoint {

using telemetry::ExchangeEnd;
using telemetry::ExchangeFlag;

/// The body of our own answer, in Envoy's words; "" for none.
const char* body_of(ExchangeEnd end);

/// grpc-status of our own answer (gRPC's "HTTP to gRPC status code mapping"). What its caller's
/// grpc-timeout ended is DEADLINE_EXCEEDED.
std::uint32_t grpc_status_of(ExchangeEnd end, std::uint16_t http_status);
/// The HTTP status that stands for a gRPC status (google/rpc/code.proto), for outlier detection.
std::uint16_t http_status_of(std::uint32_t grpc_status);

}  // namespace culvert::waypoint
