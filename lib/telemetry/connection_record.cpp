// The texts of directions, response flags and traces.
#include "culvert/telemetry/connection_record.hpp"

#include <array>
#include <string_view>

namespace culvert::telemetry {
namespace {

// In the order of ResponseFlag.
constexpr std::array<const char*, kResponseFlagCount> kFlags = {
    "-",
    "DENY",
    "CONNECT",
    "TLS_FAILURE",
    "H2_HANDSHAKE_FAILURE",
    "NETWORK_POLICY",
    "IDENTITY_ERROR",
    "CERT_REVOKED",
    "UH",
    "UF",
    "UO",
    "CR",
};

// In the order of Direction.
constexpr std::array<const char*, kDirectionCount> kDirections = {"outbound", "inbound",
                                                                  "waypoint"};
constexpr std::array<const char*, kDirectionCount> kReporters = {"source", "destination",
                                                                 "waypoint"};

}  // namespace

const char* to_string(Direction direction) {
  return kDirections[static_cast<std::size_t>(direction)];
}

const char* reporter_of(Direction direction) {
  return kReporters[static_cast<std::size_t>(direction)];
}

const char* to_string(ResponseFlag flag) {
  return kFlags[static_cast<std::size_t>(flag)];
}

ResponseFlag response_flag(const char* text) {
  for (std::size_t i = 0; i < kFlags.size(); ++i) {
    if (std::string_view(kFlags[i]) == text) return static_cast<ResponseFlag>(i);
  }
  return ResponseFlag::kNone;
}

std::string Trace::to_string() const {
  constexpr std::string_view kHex = "0123456789abcdef";
  constexpr std::size_t kBytes = 55;
  std::string out;
  out.reserve(kBytes);
  out += "00-";
  const auto hex = [&](std::uint8_t byte) {
    out += kHex[byte >> 4];
    out += kHex[byte & 15];
  };
  for (const std::uint8_t byte : id) hex(byte);
  out += '-';
  for (const std::uint8_t byte : span) hex(byte);
  out += '-';
  hex(flags);
  return out;
}

}  // namespace culvert::telemetry
