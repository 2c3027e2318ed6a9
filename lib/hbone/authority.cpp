// Reading and writing a CONNECT's target.
#include "culvert/hbone/authority.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace culvert::hbone {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool is_label(std::string_view label) {
  if (label.empty() || label.size() > kMaxHostLabelBytes) return false;
  if (label.front() == '-' || label.back() == '-') return false;
  return std::ranges::all_of(label, [](char c) {
    const char l = lower(c);
    return is_digit(l) || (l >= 'a' && l <= 'z') || l == '-' || l == '_';
  });
}

// 1 to 65535, digits only, no leading zero.
bool parse_port(std::string_view text, std::uint16_t& port) {
  if (text.empty() || text.size() > 5 || text.front() == '0') return false;
  if (!std::ranges::all_of(text, is_digit)) return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

bool is_host_name(std::string_view text) {
  if (text.empty() || text.size() > kMaxHostBytes) return false;
  std::string_view label;
  for (std::size_t at = 0; at <= text.size(); at += label.size() + 1) {
    label = text.substr(at, text.find('.', at) - at);
    if (!is_label(label)) return false;
  }
  return !std::ranges::all_of(label, is_digit);  // the last one
}

Result<Authority> Authority::parse(std::string_view text) {
  const auto malformed = fail(ErrorCode::kInvalid, "malformed :authority", Origin::kClient);
  if (text.size() > kMaxAuthorityBytes) return malformed;
  const auto colon = text.rfind(':');
  std::uint16_t port = 0;
  if (colon == std::string_view::npos || !parse_port(text.substr(colon + 1), port)) {
    return malformed;
  }
  auto host = text.substr(0, colon);
  if (host.starts_with('[')) {
    if (!host.ends_with(']')) return malformed;
    host = host.substr(1, host.size() - 2);
    const auto ip = IpAddress::parse(host);
    if (!ip || host.find(':') == std::string_view::npos) return malformed;
    return Authority{SocketAddress{.ip = *ip, .port = port}};
  }
  if (host.find(':') != std::string_view::npos) return malformed;
  if (const auto ip = IpAddress::parse(host)) {
    return Authority{SocketAddress{.ip = *ip, .port = port}};
  }
  if (host.ends_with('.')) host.remove_suffix(1);
  if (!is_host_name(host)) return malformed;
  HostPort named{.host = std::string(host), .port = port};
  std::ranges::transform(named.host, named.host.begin(), lower);
  return Authority{std::move(named)};
}

std::string Authority::to_string() const {
  if (const auto* ip = address()) return ip->to_string();
  const auto& named = std::get<HostPort>(target);
  return fmt::format("{}:{}", named.host, named.port);
}

}  // namespace culvert::hbone
