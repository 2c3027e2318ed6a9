#include "culvert/grpc/status.hpp"

#include <array>
#include <charconv>

#include "culvert/h2/stream.hpp"

namespace culvert::grpc {
namespace {

constexpr std::array<const char*, kStatusCodeCount> kNames = {
    "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
    "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
    "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
    "DATA_LOSS", "UNAUTHENTICATED"};

constexpr std::size_t kMaxTimeoutDigits = 8;

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// gRPC over HTTP/2, "Errors": what each RST_STREAM code becomes.
StatusCode code_of_reset(std::uint32_t reset_code) {
  switch (reset_code) {
    case h2::kRefusedStream:
      return StatusCode::kUnavailable;
    case h2::kCancel:
      return StatusCode::kCancelled;
    case h2::kEnhanceYourCalm:
      return StatusCode::kResourceExhausted;
    default:
      return StatusCode::kInternal;
  }
}

struct Unit {
  char letter;
  std::chrono::nanoseconds length;
};
constexpr std::array<Unit, 6> kUnits = {{{'n', std::chrono::nanoseconds(1)},
                                         {'u', std::chrono::microseconds(1)},
                                         {'m', std::chrono::milliseconds(1)},
                                         {'S', std::chrono::seconds(1)},
                                         {'M', std::chrono::minutes(1)},
                                         {'H', std::chrono::hours(1)}}};

}  // namespace

const char* status_name(StatusCode code) {
  return kNames[static_cast<std::size_t>(code)];
}

std::string Status::to_string() const {
  return message.empty() ? status_name(code) : std::string(status_name(code)) + ": " + message;
}

StatusCode parse_status_code(std::string_view text) {
  int number = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool valid = error == std::errc() && end == text.data() + text.size() && number >= 0 &&
                     number < kStatusCodeCount;
  return valid ? static_cast<StatusCode>(number) : StatusCode::kUnknown;
}

Status status_of(const Error& error, std::optional<std::uint32_t> reset_code) {
  switch (error.code) {
    case ErrorCode::kTimeout:
      return {StatusCode::kDeadlineExceeded, error.to_string()};
    case ErrorCode::kCancelled:
      return {StatusCode::kCancelled, error.to_string()};
    case ErrorCode::kLimit:
      return {StatusCode::kResourceExhausted, error.to_string()};
    case ErrorCode::kInvalid:
      return {StatusCode::kInternal, error.to_string()};
    default:
      break;
  }
  const auto code = reset_code ? code_of_reset(*reset_code) : StatusCode::kUnavailable;
  return {code, error.to_string()};
}

Status status_of_http(std::string_view http_status) {
  StatusCode code = StatusCode::kUnknown;
  if (http_status == "400") code = StatusCode::kInternal;
  if (http_status == "401") code = StatusCode::kUnauthenticated;
  if (http_status == "403") code = StatusCode::kPermissionDenied;
  if (http_status == "404") code = StatusCode::kUnimplemented;
  if (http_status == "429" || http_status == "502" || http_status == "503" ||
      http_status == "504") {
    code = StatusCode::kUnavailable;
  }
  return {code, "the answer is not gRPC's: HTTP status " + std::string(http_status)};
}

std::string encode_message(std::string_view message) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (const char c : message) {
    if (c >= ' ' && c <= '~' && c != '%') {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += {'%', kHex[byte >> 4U], kHex[byte & 15U]};
    }
  }
  return out;
}

std::string decode_message(std::string_view wire) {
  std::string out;
  for (std::size_t i = 0; i < wire.size(); ++i) {
    const bool escape = wire[i] == '%' && i + 2 < wire.size() && hex_digit(wire[i + 1]) >= 0 &&
                        hex_digit(wire[i + 2]) >= 0;
    if (!escape) {
      out += wire[i];
      continue;
    }
    out += static_cast<char>(hex_digit(wire[i + 1]) * 16 + hex_digit(wire[i + 2]));
    i += 2;
  }
  return out;
}

std::optional<std::chrono::nanoseconds> parse_timeout(std::string_view text) {
  if (text.size() < 2 || text.size() > kMaxTimeoutDigits + 1) return std::nullopt;
  const std::string_view digits = text.substr(0, text.size() - 1);
  if (digits.find_first_not_of("0123456789") != std::string_view::npos) return std::nullopt;
  std::int64_t count = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), count);
  for (const Unit& unit : kUnits) {
    if (unit.letter != text.back()) continue;
    // 99,999,999 hours do not fit 64 bits of nanoseconds: such a timeout is none.
    if (count > std::chrono::nanoseconds::max() / unit.length)
      return std::chrono::nanoseconds::max();
    return count * unit.length;
  }
  return std::nullopt;
}

std::string format_timeout(std::chrono::nanoseconds timeout) {
  timeout = std::max(timeout, std::chrono::nanoseconds(1));
  for (const Unit& unit : kUnits) {
    const auto count =
        timeout / unit.length + (timeout % unit.length == std::chrono::nanoseconds::zero() ? 0 : 1);
    if (count <= 99'999'999) return std::to_string(count) + unit.letter;
  }
  return "99999999H";
}

}  // namespace culvert::grpc
