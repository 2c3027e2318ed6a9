// What protocols make of digests where nothing is kept secret by it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace culvert::tls {

/// Base64 with padding (RFC 4648 section 4).
std::string base64(std::span<const std::uint8_t> bytes);

/// The SHA-1 of `text` in base64: 28 characters. As RFC 6455 asks for it; no protection against
/// anybody.
std::string sha1_base64(std::string_view text);

}  // namespace culvert::tls
