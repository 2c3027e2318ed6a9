// TLS alerts (RFC 8446 section 6) as the record layers send and name them.
#pragma once

#include <cstdint>

namespace culvert::tls {

enum class Alert : std::uint8_t {
  kCloseNotify = 0,
  kUnexpectedMessage = 10,
  kBadRecordMac = 20,
  kRecordOverflow = 22,
  kIllegalParameter = 47,
  kInternalError = 80,
  kUserCanceled = 90,
};

/// Why a record of the peer ends the connection: the alert that says so to the peer, and a static
/// text that says so to us.
struct Refusal {
  Alert alert;
  const char* text;
};

/// "the peer's alert: ..." for an alert's number; static.
const char* peer_alert_text(int alert);

}  // namespace culvert::tls
