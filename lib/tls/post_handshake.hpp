// Reads the handshake messages that may come after the handshake (RFC 8446 section 4.6). It keeps
// five bytes: bodies that nobody needs are skipped. Pure; owned by a record layer.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>

#include "alert.hpp"

namespace culvert::tls {

/// A NewSessionTicket at its longest (RFC 8446 section 4.6.1): lifetime, age, nonce, ticket,
/// extensions.
inline constexpr std::size_t kMaxTicketBytes = 4 + 4 + (1 + 255) + (2 + 65'535) + (2 + 65'534);

class PostHandshake {
 public:
  /// A server takes no NewSessionTicket; neither side offered post-handshake authentication.
  explicit PostHandshake(bool server) : server_(server) {}

  enum class Found : std::uint8_t { kNothing, kKeyUpdate, kKeyUpdateRequested };

  /// The content of one handshake record, not empty. A KeyUpdate ends the record that it is in,
  /// because the next is under other keys (RFC 8446 section 5.1).
  std::expected<Found, Refusal> read(std::span<const std::byte> content);
  /// A message is cut: only its rest may follow (RFC 8446 section 5.1).
  bool inside_message() const { return header_size_ > 0; }

 private:
  std::expected<void, Refusal> check_header() const;

  const bool server_;
  std::array<std::uint8_t, 4> header_{};  // type and three bytes of length
  std::size_t header_size_ = 0;
  std::size_t body_left_ = 0;
};

}  // namespace culvert::tls
