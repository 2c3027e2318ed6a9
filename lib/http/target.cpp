#include "target.hpp"

#include <algorithm>
#include <string>

#include "characters.hpp"
#include "culvert/base/ip.hpp"

namespace culvert::http {
namespace {

bool is_port(std::string_view text) {
  if (text.empty() || text.size() > 5 || !std::ranges::all_of(text, is_digit)) return false;
  int port = 0;
  for (const char c : text) port = port * 10 + (c - '0');
  return port <= 65535;
}

bool is_host_character(char c) {
  return is_digit(c) || is_alpha(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

// Letters, digits, '-' and '.': a name without its port, as most are, seen eight bytes at a time.
bool is_plain_host(std::string_view text) {
  return !text.empty() && !any_word(text, [](std::uint64_t word) {
    const auto folded = word | each_byte('a' - 'A');
    const auto plain = has_between(folded, 'a' - 1, 'z' + 1) | has_between(word, '0' - 1, '9' + 1) |
                       has_between(word, '-' - 1, '.' + 1);
    return plain ^ kTopBits;
  });
}

// The scheme's own port says nothing.
std::string_view without_default_port(std::string_view authority, std::string_view scheme) {
  const std::string_view port = scheme == "https" ? ":443" : ":80";
  return authority.ends_with(port) ? authority.substr(0, authority.size() - port.size())
                                   : authority;
}

struct Absolute {
  std::string_view scheme, authority, path;  // path may lack its '/', or be empty
};

// scheme://authority[/path][?query]
std::expected<Absolute, Refusal> split_absolute(std::string_view target) {
  const auto colon = target.find("://");
  if (colon == std::string_view::npos) return std::unexpected(refusals::kTarget);
  Absolute parts;
  if (equal_ignoring_case(target.substr(0, colon), "http")) {
    parts.scheme = "http";
  } else if (equal_ignoring_case(target.substr(0, colon), "https")) {
    parts.scheme = "https";
  } else {
    return std::unexpected(refusals::kScheme);
  }
  target.remove_prefix(colon + 3);
  const auto end = std::min(target.find_first_of("/?"), target.size());
  parts.authority = target.substr(0, end);
  parts.path = target.substr(end);
  if (!is_authority(parts.authority)) return std::unexpected(refusals::kHost);
  return parts;
}

}  // namespace

bool is_authority(std::string_view text) {
  if (is_plain_host(text)) return true;
  std::string_view port;
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    if (end == std::string_view::npos) return false;
    const auto address = text.substr(1, end - 1);
    if (!address.contains(':') || !IpAddress::parse(address)) return false;
    port = text.substr(end + 1);
  } else {
    const auto end = std::ranges::find_if_not(text, is_host_character);
    const auto size = static_cast<std::size_t>(end - text.begin());
    if (size == 0) return false;
    port = text.substr(size);
  }
  return port.empty() || (port.front() == ':' && is_port(port.substr(1)));
}

bool is_path(std::string_view text) {
  if (!text.starts_with('/')) return false;
  return !any_word(text, [](std::uint64_t word) {
    return has_less(word, '!') | has_byte(word, '#') | has_byte(word, 0x7f) | has_high(word);
  });
}

std::expected<void, Refusal> read_target(std::string_view target,
                                         std::optional<std::string_view> host, RequestHead& head) {
  if (host && !is_authority(*host)) return std::unexpected(refusals::kHost);
  if (!host && head.version != Version::kHttp10) return std::unexpected(refusals::kNoHost);
  head.scheme = "http";
  head.authority = host.value_or("");
  if (target.starts_with('/')) {
    if (!is_path(target)) return std::unexpected(refusals::kTarget);
    head.path = target;
    return {};
  }
  if (target == "*") {
    if (head.method != "OPTIONS") return std::unexpected(refusals::kTarget);
    head.path = target;
    return {};
  }
  const auto parts = split_absolute(target);
  if (!parts) return std::unexpected(parts.error());
  // RFC 9112 section 3.2.2 has the target win; who reads Host would go elsewhere.
  if (host && !equal_ignoring_case(without_default_port(*host, parts->scheme),
                                   without_default_port(parts->authority, parts->scheme))) {
    return std::unexpected(refusals::kHostConflict);
  }
  head.scheme = parts->scheme;
  head.authority = parts->authority;
  if (parts->path.empty()) {
    head.path = head.method == "OPTIONS" ? "*" : "/";
    return {};
  }
  head.path = parts->path.front() == '/' ? "" : "/";
  head.path += parts->path;
  if (!is_path(head.path)) return std::unexpected(refusals::kTarget);
  return {};
}

}  // namespace culvert::http
