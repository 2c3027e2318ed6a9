// What an unquoted YAML scalar means, and durations as Go writes them.
// Private to lib/config.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "yaml_tree.hpp"

namespace culvert::config {

/// Booleans as YAML 1.1 reads them, which is what Kubernetes' tools do: true, yes, on, ...
std::optional<bool> parse_bool(std::string_view text);
/// Decimal, 0x, 0o and YAML 1.1's 0-octal; no underscores.
std::optional<std::int64_t> parse_integer(std::string_view text);
/// Finite numbers only.
std::optional<double> parse_number(std::string_view text);
/// "1h30m", "1.5s", "100ms", "-2us", "0" (Go, time.ParseDuration). nullopt when malformed or out
/// of range.
std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text);

/// Bytes as JSON carries them (RFC 4648, section 4, padded).
std::optional<std::string> parse_base64(std::string_view text);

/// "a list", "a boolean", ... for "expected X, got Y".
const char* describe(const YamlNode& node);
/// Whether an unquoted scalar would be read as something other than a string.
bool is_string(const YamlNode& node);

}  // namespace culvert::config
