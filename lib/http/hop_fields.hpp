// HopFields: the fields that are about one hop, or about a message's framing, taken out of the
// others (RFC 9110 section 7.6.1). Pure; used by the readers of HTTP/1.1.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string_view>

#include "culvert/http/fields.hpp"
#include "culvert/http/message.hpp"
#include "culvert/http/refusal.hpp"

namespace culvert::http {

struct HopFields {
  // Views of the Fields' text, good until a field is added there.
  std::string_view host, length, coding, upgrade;
  std::size_t hosts = 0, lengths = 0, codings = 0, upgrades = 0;
  // Of Connection.
  bool close = false, keep_alive = false, asks_upgrade = false;
  bool expects_continue = false;

  /// Takes them, and what Connection names, out of `fields`. `te: trailers` stays.
  static std::expected<HopFields, Refusal> take(Fields& fields, bool request);

  /// The Content-Length, and whether the body is chunked instead.
  struct Framing {
    bool chunked = false;
    std::optional<std::uint64_t> length;
  };
  std::expected<Framing, Refusal> framing(Version version) const;
  bool persistent(Version version) const;
};

/// A field without which a message's head would mean something else, so that no trailer may have
/// its name (RFC 9110 section 6.5.1). In lower case.
bool belongs_into_head(std::string_view name);

/// A decimal number of bytes (RFC 9110 section 8.6).
std::optional<std::uint64_t> parse_length(std::string_view text);

}  // namespace culvert::http
