// One TLS 1.3 connection as bytes in, bytes out: no socket, no clock of its own but the system's
// for certificate validity. Owned by a tunnel, on its worker's thread.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "culvert/base/error.hpp"
#include "culvert/tls/context.hpp"
#include "culvert/tls/revocation.hpp"

namespace culvert::tls {

/// Whom the peer must prove to be, beyond a valid chain to a trusted root.
struct Expected {
  /// The peer's SPIFFE id must be one of these. Required at a client; empty = any at a server.
  std::vector<std::string> identities;
  /// The peer's trust domain must be this one. Empty: our own at a server, any at a client.
  std::string trust_domain;
  /// Whom issuers have taken back: the peer and its intermediates must not be among them. Null:
  /// nobody is.
  RevocationListPtr revoked;
};

/// What the peer proved. Valid from the end of the handshake on.
struct PeerCertificate {
  std::string identity;                   // "spiffe://td/ns/n/sa/s"
  std::string trust_domain;               // "td"
  std::array<std::uint8_t, 32> sha256{};  // of the leaf's DER
  std::chrono::system_clock::time_point not_after;
  std::vector<CertificateId> chain;  // leaf first, without the root: for later revocation
};

/// What a handshake asks about a chain, for a connection that was open when `revoked` came. kTls
/// with EKEYREVOKED.
Result<void> check_revoked(std::span<const CertificateId> chain, const RevocationListPtr& revoked,
                           Origin peer_origin);

/// How far the connection is; grows only.
enum class Progress : std::uint8_t {
  kHandshaking,
  kOpen,        // both directions carry data
  kPeerClosed,  // the peer sent close_notify; our direction is still open
};

/// Move only. A failure (any Error from feed, encrypt or end_of_input but those of misuse) is final
/// and returned again by later calls; the alert for the peer is then in the output, send it first.
/// Origin is kUpstream at a client, kClient at a server.
class Session {
 public:
  /// The ClientHello is in the output at once. kInvalid: the context is not a client's, or
  /// `expected.identities` is empty.
  static Result<Session> client(const Context& context, Expected expected);
  static Result<Session> server(const Context& context, Expected expected = {});
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;
  ~Session();

  /// Takes the peer's bytes in any split; appends decrypted application data to `plaintext`.
  /// kTls: handshake or record failure, the peer's alert, or a chain that does not hold (with
  /// EKEYREVOKED in sys_errno when a certificate of it was revoked); kIdentity:
  /// a valid certificate of somebody else or without one SPIFFE URI SAN; the texts say which.
  /// Data decrypted before the failing record is in `plaintext` and is authentic.
  Result<Progress> feed(std::span<const std::byte> ciphertext, std::string& plaintext);
  /// The transport ended (FIN). Fine after close_notify, else kReset: truncated.
  Result<void> end_of_input();

  /// Seals into records appended to the output. kInvalid before the handshake is done, kClosed
  /// after close_notify().
  Result<void> encrypt(std::span<const std::byte> plaintext) {
    return encrypt_parts({&plaintext, 1});
  }
  /// The parts as if they were one; they may die when it returns.
  Result<void> encrypt_parts(std::span<const std::span<const std::byte>> parts);
  /// Ends our direction. Before the handshake is done nothing is sent.
  void close_notify();

  /// Bytes to send, in order; what was sent is removed by the caller (consume or take).
  std::span<const std::byte> output() const;
  void consume_output(std::size_t bytes);
  std::string take_output();

  Progress progress() const;
  /// nullptr until the handshake is done.
  const PeerCertificate* peer() const;

 private:
  struct Impl;
  explicit Session(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace culvert::tls
