// The seam between a TLS connection and what seals its records: our own layer
// (lib/tls/own_record_layer.cpp) or OpenSSL's (lib/tls/openssl_record_layer.cpp); callers of
// Session never see which one it is.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "culvert/base/error.hpp"

namespace culvert::tls {

inline constexpr std::size_t kMaxRecordPlaintext = 16384;  // RFC 8446 section 5.1
/// Header, content type and tag that a record adds to its plaintext (both AES-GCM suites).
inline constexpr std::size_t kRecordOverhead = 5 + 1 + 16;

/// The records of one connection whose handshake is done. One thread. After an error of seal or
/// open the layer is dead and refuses everything.
class RecordLayer {
 public:
  using Parts = std::span<const std::span<const std::byte>>;
  enum class Inbound { kOpen, kClosed };  // kClosed: the peer's close_notify was read

  virtual ~RecordLayer() = default;
  /// Appends the parts, as if they were one, to `out` as records of at most 16 KiB plaintext, as
  /// few as possible.
  virtual Result<void> seal_parts(Parts parts, std::string& out) = 0;
  Result<void> seal(std::span<const std::byte> plaintext, std::string& out) {
    return seal_parts({&plaintext, 1}, out);
  }
  /// Takes any split of the peer's bytes and keeps what is not yet a whole record (at most one).
  /// Appends application data to `plaintext`, and what must be sent (alerts) to `out`, also when it
  /// fails; a KeyUpdate is answered by the next seal. Bytes after close_notify are ignored (RFC
  /// 8446 section 6.1).
  virtual Result<Inbound> open(std::span<const std::byte> ciphertext, std::string& plaintext,
                               std::string& out) = 0;
  /// Appends close_notify; seal fails with kClosed from then on. Idempotent.
  virtual void close(std::string& out) = 0;
};

}  // namespace culvert::tls
