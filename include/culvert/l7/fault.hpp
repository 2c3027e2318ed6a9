// Faults that rules inject: what they are, and the names of the errors that they tell. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "culvert/l7/random.hpp"

namespace culvert::l7 {

/// "NOT_FOUND" is 5, ... (grpc/doc/statuscodes.md); nullopt for another name.
std::optional<std::uint32_t> grpc_status_number(std::string_view name);
const std::vector<std::string>& grpc_status_names();
/// "REFUSED_STREAM" is 7, ... (RFC 9113, section 7); nullopt for another name.
std::optional<std::uint32_t> http2_error_number(std::string_view name);
const std::vector<std::string>& http2_error_names();

struct HttpStatusFault {
  std::uint16_t status = 0;
  bool operator==(const HttpStatusFault&) const = default;
};
struct GrpcStatusFault {
  std::uint32_t status = 0;
  bool operator==(const GrpcStatusFault&) const = default;
};
/// The stream is reset with this code; on HTTP/1.1 the connection is closed.
struct Http2ErrorFault {
  std::uint32_t code = 0;
  bool operator==(const Http2ErrorFault&) const = default;
};
using AbortError = std::variant<HttpStatusFault, GrpcStatusFault, Http2ErrorFault>;

struct DelayFault {
  std::chrono::milliseconds delay{0};
  Share share;
  bool operator==(const DelayFault&) const = default;
};
struct AbortFault {
  AbortError error;
  Share share;
  bool operator==(const AbortFault&) const = default;
};

/// What one request suffers: first the delay, then the abort. Upstream sees nothing of an aborted
/// one.
struct InjectedFault {
  std::optional<std::chrono::milliseconds> delay;
  std::optional<AbortError> abort;
  bool operator==(const InjectedFault&) const = default;
};

}  // namespace culvert::l7
