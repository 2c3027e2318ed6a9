// The handshake of one connection, up to the moment when only records are left.
#pragma once

#include <memory>

#include "culvert/tls/context.hpp"
#include "culvert/tls/record_layer.hpp"
#include "openssl_ptr.hpp"
#include "own_record_layer.hpp"
#include "peer_check.hpp"

namespace culvert::tls {

/// Owned by a Session while it is handshaking. Not movable: OpenSSL points at it.
class Handshake {
 public:
  Handshake(const Context& context, Expected expected);
  Handshake(const Handshake&) = delete;
  Handshake& operator=(const Handshake&) = delete;

  /// False when OpenSSL could not make a connection.
  bool valid() const { return ssl_ != nullptr; }
  /// Takes any split; appends what must be sent to `out`, also when it fails. True: done, and what
  /// follows the peer's Finished in `ciphertext` waits in the record layer.
  Result<bool> advance(std::span<const std::byte> ciphertext, std::string& out);
  /// After advance() was true.
  PeerCertificate take_peer() { return std::move(check_.peer); }
  /// After advance() was true; the one place that chooses the record layer.
  Result<std::unique_ptr<RecordLayer>> take_record_layer();

 private:
  Result<void> finish();

  const Records records_;
  PeerCheck check_;
  RecordSecrets secrets_;
  SslPtr ssl_;
};

}  // namespace culvert::tls
