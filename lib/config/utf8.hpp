// UTF-8 validity (RFC 3629), checked once a file: protobuf strings must be UTF-8. Private to
// lib/config.
#pragma once

#include <optional>
#include <string_view>

namespace culvert::config {

/// The line (from 1) of the first byte that is not UTF-8; nullopt when all is well.
std::optional<int> first_invalid_utf8_line(std::string_view text);

}  // namespace culvert::config
