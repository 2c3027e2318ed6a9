// What can go wrong, as a value: every expected failure in Culvert is an Error, without heap.
// Configuration errors are Diagnostics (base/diagnostic.hpp), which own their text.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace culvert {

/// The closed set of reasons. error_info() gives each its HTTP status, log flag and retry rule.
enum class ErrorCode : std::uint8_t {
  kCancelled,      // our own stop reached the operation
  kTimeout,        // a named deadline passed
  kClosed,         // the peer ended the stream in order (FIN, close_notify, END_STREAM)
  kReset,          // the peer or the network cut it (RST, RST_STREAM, truncated TLS)
  kRefused,        // nobody listens there, or the peer refused the stream
  kUnreachable,    // no route to the address
  kSystem,         // another errno, in Error::sys_errno
  kLimit,          // one of our named bounds was reached
  kProtocol,       // bytes that break the protocol
  kTls,            // handshake or record failure
  kIdentity,       // a certificate that is not the expected workload's
  kDenied,         // policy
  kNoUpstream,     // no healthy endpoint
  kNoWorkload,     // an address or workload that the mesh does not know
  kNoCertificate,  // no certificate for an identity within the wait
  kSelfCall,       // a connection to our own listener
  kInvalid,        // a malformed argument or message
  kNotFound,
  kUnavailable,  // the other part (control, agent, ztunnel) is away
};
inline constexpr int kErrorCodeCount = static_cast<int>(ErrorCode::kUnavailable) + 1;

/// Whose fault it is; decides which side is told and whether another upstream may be tried.
enum class Origin : std::uint8_t { kLocal, kClient, kUpstream, kControl };

struct Error {
  ErrorCode code = ErrorCode::kSystem;
  Origin origin = Origin::kLocal;
  int sys_errno = 0;      // 0 when no system call is behind it
  const char* text = "";  // static storage; what was being done, e.g. "connect to upstream"

  /// "connect to upstream: refused (ECONNREFUSED)" for logs and people.
  std::string to_string() const;
};

/// One row a code of the single table.
struct ErrorInfo {
  const char* name;      // "timeout", as printed in logs and JSON
  const char* log_flag;  // Istio's L4 response_flags label ("-" when none fits)
  std::uint16_t http_status;
  bool may_retry;  // another endpoint may be tried when origin is kUpstream
};
const ErrorInfo& error_info(ErrorCode code);

template <class T>
using Result = std::expected<T, Error>;

/// Shorthand for returning a failure: `return fail(ErrorCode::kTimeout, "read CONNECT response");`
/// `text` must have static storage.
inline std::unexpected<Error> fail(ErrorCode code, const char* text, Origin origin = Origin::kLocal,
                                   int sys_errno = 0) {
  return std::unexpected(Error{code, origin, sys_errno, text});
}
/// Maps an errno (positive) to the code that fits; others become kSystem and keep the errno.
std::unexpected<Error> fail_errno(int sys_errno, const char* text, Origin origin = Origin::kLocal);

}  // namespace culvert
