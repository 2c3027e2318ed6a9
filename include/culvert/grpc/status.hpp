// gRPC status: how a call ended, for both ends. Codes are those of every gRPC
// (https://grpc.github.io/grpc/core/md_doc_statuscodes.html). Plain values; any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "culvert/base/error.hpp"

namespace culvert::grpc {

enum class StatusCode : std::uint8_t {
  kOk = 0,
  kCancelled = 1,
  kUnknown = 2,
  kInvalidArgument = 3,
  kDeadlineExceeded = 4,
  kNotFound = 5,
  kAlreadyExists = 6,
  kPermissionDenied = 7,
  kResourceExhausted = 8,
  kFailedPrecondition = 9,
  kAborted = 10,
  kOutOfRange = 11,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
  kDataLoss = 15,
  kUnauthenticated = 16,
};
inline constexpr int kStatusCodeCount = 17;

struct Status {
  StatusCode code = StatusCode::kOk;
  std::string message;

  bool ok() const { return code == StatusCode::kOk; }
  /// "PERMISSION_DENIED: no such pod on this node".
  std::string to_string() const;
  bool operator==(const Status&) const = default;
};

/// "PERMISSION_DENIED"
const char* status_name(StatusCode code);
/// The value of grpc-status; kUnknown for what is no known number.
StatusCode parse_status_code(std::string_view text);
/// A failure of the transport; `reset_code` is the RST_STREAM's, if one ended the stream.
Status status_of(const Error& error, std::optional<std::uint32_t> reset_code);
/// A response that is not gRPC's, by its HTTP status ("HTTP to gRPC status code mapping").
Status status_of_http(std::string_view http_status);

/// grpc-message: percent encoding of all but printable ASCII, and of '%'. Decoding is lenient: what
/// is no valid escape stays.
std::string encode_message(std::string_view message);
std::string decode_message(std::string_view wire);

/// grpc-timeout, e.g. "250m"; nullopt when malformed (at most 8 digits and a unit of HMSmun).
std::optional<std::chrono::nanoseconds> parse_timeout(std::string_view text);
/// Rounded up; not below one nanosecond.
std::string format_timeout(std::chrono::nanoseconds timeout);

}  // namespace culvert::grpc
