// The edge between OpenSSL's memory BIOs and error queue and our values.
#include "ssl_failure.hpp"

#include <openssl/err.h>

#include <algorithm>
#include <climits>

#include "alert.hpp"

namespace culvert::tls {
namespace {

// First entry of libssl, else the first of all: later ones only repeat it.
unsigned long first_ssl_error() {
  unsigned long chosen = 0;
  while (const unsigned long code = ERR_get_error()) {
    if (chosen == 0 || (ERR_GET_LIB(chosen) != ERR_LIB_SSL && ERR_GET_LIB(code) == ERR_LIB_SSL)) {
      chosen = code;
    }
  }
  return chosen;
}

}  // namespace

// RFC 8446 section 6.2; those that a peer of ours can send.
const char* peer_alert_text(int alert) {
  switch (alert) {
    case SSL_AD_UNEXPECTED_MESSAGE:
      return "the peer's alert: unexpected message";
    case SSL_AD_BAD_RECORD_MAC:
      return "the peer's alert: bad record MAC";
    case SSL_AD_RECORD_OVERFLOW:
      return "the peer's alert: record overflow";
    case SSL_AD_HANDSHAKE_FAILURE:
      return "the peer's alert: handshake failure";
    case SSL_AD_BAD_CERTIFICATE:
      return "the peer's alert: bad certificate";
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
      return "the peer's alert: unsupported certificate";
    case SSL_AD_CERTIFICATE_REVOKED:
      return "the peer's alert: certificate revoked";
    case SSL_AD_CERTIFICATE_EXPIRED:
      return "the peer's alert: certificate expired";
    case SSL_AD_CERTIFICATE_UNKNOWN:
      return "the peer's alert: certificate unknown";
    case SSL_AD_UNKNOWN_CA:
      return "the peer's alert: unknown CA";
    case SSL_AD_ACCESS_DENIED:
      return "the peer's alert: access denied";
    case SSL_AD_DECRYPT_ERROR:
      return "the peer's alert: decrypt error";
    case SSL_AD_PROTOCOL_VERSION:
      return "the peer's alert: protocol version";
    case SSL_AD_INTERNAL_ERROR:
      return "the peer's alert: internal error";
    case SSL_AD_CERTIFICATE_REQUIRED:
      return "the peer's alert: certificate required";
    case SSL_AD_NO_APPLICATION_PROTOCOL:
      return "the peer's alert: no application protocol";
    default:
      return "the peer sent a fatal alert";
  }
}

Error take_ssl_failure(int ssl_error, Origin peer_origin) {
  const unsigned long code = first_ssl_error();
  if (ssl_error == SSL_ERROR_ZERO_RETURN) {
    return {ErrorCode::kClosed, peer_origin, 0, "the peer closed during the TLS handshake"};
  }
  const int reason = ERR_GET_REASON(code);
  if (code != 0 && ERR_GET_LIB(code) == ERR_LIB_SSL) {
    if (reason > SSL_AD_REASON_OFFSET && reason <= SSL_AD_REASON_OFFSET + UCHAR_MAX) {
      return {ErrorCode::kTls, peer_origin, 0, peer_alert_text(reason - SSL_AD_REASON_OFFSET)};
    }
    if (reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE) {
      return {ErrorCode::kTls, peer_origin, 0, "the client sent no certificate"};
    }
  }
  // OpenSSL's reason strings are static tables (ERR_reason_error_string(3)).
  const char* text = code == 0 ? nullptr : ERR_reason_error_string(code);
  return {ErrorCode::kTls, peer_origin, 0, text == nullptr ? "TLS failure" : text};
}

namespace {

void take_all(BIO* bio, std::string& out) {
  while (const std::size_t pending = BIO_ctrl_pending(bio)) {
    const std::size_t before = out.size();
    out.resize_and_overwrite(before + pending, [&](char* data, std::size_t) {
      const int got =
          BIO_read(bio, data + before, static_cast<int>(std::min<std::size_t>(pending, INT_MAX)));
      return before + static_cast<std::size_t>(std::max(got, 0));
    });
    if (out.size() == before) return;
  }
}

}  // namespace

void drain_output(SSL& ssl, std::string& out) {
  take_all(SSL_get_wbio(&ssl), out);
}

std::string take_unread(SSL& ssl) {
  std::string out;
  take_all(SSL_get_rbio(&ssl), out);
  return out;
}

bool add_input(SSL& ssl, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const int size = static_cast<int>(std::min<std::size_t>(bytes.size(), INT_MAX));
    if (BIO_write(SSL_get_rbio(&ssl), bytes.data(), size) != size) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(size));
  }
  return true;
}

}  // namespace culvert::tls
