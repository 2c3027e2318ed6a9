// The formats that field_rules.proto names. Private to lib/config.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace culvert::api {
enum Format : int;
}

namespace culvert::config {

/// nullopt when `text` has the format, else the reason why not. Sources: RFC 1123 and RFC 1035
/// labels and Kubernetes' limits on them ("Object Names and IDs"), IANA service names (RFC 6335).
std::optional<std::string> check_format(api::Format format, std::string_view text);

bool is_dns_label(std::string_view text);
bool is_dns_subdomain(std::string_view text);
bool is_label_key(std::string_view text);

inline constexpr std::size_t kMaxLabel = 63;
inline constexpr std::size_t kMaxSubdomain = 253;

}  // namespace culvert::config
