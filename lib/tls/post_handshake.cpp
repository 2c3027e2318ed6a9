#include "post_handshake.hpp"

#include <algorithm>

namespace culvert::tls {
namespace {

// RFC 8446 appendix B.3.
constexpr std::uint8_t kNewSessionTicket = 4;
constexpr std::uint8_t kKeyUpdate = 24;

std::unexpected<Refusal> refuse(Alert alert, const char* text) {
  return std::unexpected(Refusal{alert, text});
}

}  // namespace

std::expected<void, Refusal> PostHandshake::check_header() const {
  const std::uint8_t type = header_[0];
  const bool known = type == kKeyUpdate || (type == kNewSessionTicket && !server_);
  if (!known) {
    return refuse(Alert::kUnexpectedMessage, "an unexpected handshake message after the handshake");
  }
  if (header_size_ < header_.size()) return {};
  const std::size_t body =
      std::size_t{header_[1]} << 16 | std::size_t{header_[2]} << 8 | std::size_t{header_[3]};
  if (type == kKeyUpdate && body != 1) {
    return refuse(Alert::kIllegalParameter, "a KeyUpdate of another length than 1");
  }
  if (body == 0 || body > kMaxTicketBytes) {
    return refuse(Alert::kIllegalParameter, "a NewSessionTicket of an impossible length");
  }
  return {};
}

std::expected<PostHandshake::Found, Refusal> PostHandshake::read(
    std::span<const std::byte> content) {
  while (!content.empty()) {
    if (header_size_ < header_.size()) {
      header_[header_size_++] = std::to_integer<std::uint8_t>(content.front());
      content = content.subspan(1);
      if (const auto fine = check_header(); !fine) return std::unexpected(fine.error());
      body_left_ = std::size_t{header_[1]} << 16 | std::size_t{header_[2]} << 8 | header_[3];
      continue;
    }
    if (header_[0] == kKeyUpdate) {
      const auto request = std::to_integer<std::uint8_t>(content.front());
      if (request > 1) return refuse(Alert::kIllegalParameter, "a KeyUpdate that asks nonsense");
      if (content.size() > 1) {
        return refuse(Alert::kUnexpectedMessage, "a KeyUpdate that does not end its record");
      }
      header_size_ = 0;
      return request == 1 ? Found::kKeyUpdateRequested : Found::kKeyUpdate;
    }
    const std::size_t part = std::min(body_left_, content.size());
    body_left_ -= part;
    content = content.subspan(part);
    if (body_left_ == 0) header_size_ = 0;
  }
  return Found::kNothing;
}

}  // namespace culvert::tls
