#include "culvert/base/error.hpp"

#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace culvert {
namespace {

// In the order of ErrorCode; the flags are the ones of Istio's ztunnel (docs/errors.md).
constexpr std::array<ErrorInfo, kErrorCodeCount> kErrorTable{{
    {"cancelled", "-", 503, false},
    {"timeout", "CONNECT", 504, true},
    {"closed", "-", 503, true},
    {"reset", "CONNECT", 503, true},
    {"refused", "CONNECT", 503, true},
    {"unreachable", "CONNECT", 503, true},
    {"system error", "CONNECT", 503, false},
    {"limit reached", "CONNECT", 503, false},
    {"protocol error", "H2_HANDSHAKE_FAILURE", 502, false},
    {"TLS failure", "TLS_FAILURE", 502, false},
    {"wrong identity", "TLS_FAILURE", 502, false},
    {"denied by policy", "DENY", 401, false},
    {"no healthy upstream", "CONNECT", 503, false},
    {"unknown workload", "CONNECT", 503, false},
    {"no certificate", "IDENTITY_ERROR", 503, false},
    {"self call", "CONNECT", 400, false},
    {"invalid", "-", 400, false},
    {"not found", "-", 404, false},
    {"unavailable", "-", 503, true},
}};

}  // namespace

const ErrorInfo& error_info(ErrorCode code) {
  return kErrorTable[static_cast<std::size_t>(code)];
}

std::string Error::to_string() const {
  const char* name = error_info(code).name;
  if (sys_errno == 0) {
    return *text == '\0' ? std::string(name) : fmt::format("{}: {}", text, name);
  }
  const char* errno_name = strerrorname_np(sys_errno);
  return fmt::format("{}: {} ({})", text, name, errno_name != nullptr ? errno_name : "errno");
}

std::unexpected<Error> fail_errno(int sys_errno, const char* text, Origin origin) {
  ErrorCode code = ErrorCode::kSystem;
  switch (sys_errno) {
    case ECANCELED:
      code = ErrorCode::kCancelled;
      break;
    case ETIMEDOUT:
    case ETIME:
      code = ErrorCode::kTimeout;
      break;
    case ECONNRESET:
    case EPIPE:
      code = ErrorCode::kReset;
      break;
    case ECONNREFUSED:
      code = ErrorCode::kRefused;
      break;
    case ENETUNREACH:
    case EHOSTUNREACH:
      code = ErrorCode::kUnreachable;
      break;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOSPC:
      code = ErrorCode::kLimit;
      break;
    case ENOENT:
      code = ErrorCode::kNotFound;
      break;
    default:
      break;
  }
  return fail(code, text, origin, sys_errno);
}

}  // namespace culvert
