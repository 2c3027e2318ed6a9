// Heads of HTTP messages, whatever version carries them (RFC 9110): what readers make, rules change
// and writers send. Plain values, each used by one thread at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "culvert/http/fields.hpp"

namespace culvert::http {

enum class Version : std::uint8_t { kHttp10, kHttp11, kHttp2 };

/// What a head says about the body behind it. Content-Length and Transfer-Encoding stand here and
/// not among the fields: each writer makes its own.
struct Body {
  bool present = false;
  /// With a body: its length; none: it ends as its version ends bodies (the last chunk, END_STREAM,
  /// the end of the connection). Without a body: what the head announced, e.g. zero, or what GET
  /// would have brought in the answer to HEAD.
  std::optional<std::uint64_t> length;
  bool operator==(const Body&) const = default;
};

/// Hop-by-hop fields (RFC 9110 section 7.6.1) and Host are not among the fields.
struct RequestHead {
  Version version = Version::kHttp11;
  std::string method;
  std::string scheme;     // "http" or "https"
  std::string authority;  // host[:port] as sent, without userinfo; empty only from HTTP/1.0
  std::string path;       // with its query; starts with '/', or is "*" (OPTIONS)
  Fields fields;
  Body body;
  /// "websocket": the client wants the connection to become one (Upgrade of HTTP/1.1, or
  /// `:protocol` of RFC 8441). Empty otherwise: other upgrades are not passed on.
  std::string upgrade;
  bool expects_continue = false;  // Expect: 100-continue, which is among the fields too

  void clear();  // keeps the memory for the next message
};

struct ResponseHead {
  Version version = Version::kHttp11;
  std::uint16_t status = 0;  // 100 to 999; its reason phrase is not kept (RFC 9112 section 4)
  Fields fields;
  Body body;
  std::string upgrade;  // with status 101: what the connection becomes

  bool informational() const { return status / 100 == 1 && status != 101; }
  void clear();
};

/// The usual phrase of a status (RFC 9110 section 15), "" where there is none. Static storage.
const char* reason_phrase(std::uint16_t status);

}  // namespace culvert::http
