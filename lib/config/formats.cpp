// Checks of single values: names, addresses, ports, quantities.
#include "formats.hpp"

#include <algorithm>

#include "culvert/base/ip.hpp"
#include "field_rules.pb.h"
#include "scalar.hpp"

namespace culvert::config {
namespace {

bool is_lower_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}
bool is_alnum(char c) {
  return is_lower_or_digit(c) || (c >= 'A' && c <= 'Z');
}

bool is_label_value(std::string_view text) {
  if (text.empty()) return true;
  return text.size() <= kMaxLabel && is_alnum(text.front()) && is_alnum(text.back()) &&
         std::ranges::all_of(
             text, [](char c) { return is_alnum(c) || c == '-' || c == '_' || c == '.'; });
}

bool is_port_name(std::string_view text) {
  const auto letter = [](char c) { return c >= 'a' && c <= 'z'; };
  return text.size() <= 15 && is_dns_label(text) && std::ranges::any_of(text, letter) &&
         text.find("--") == std::string_view::npos;
}

/// Number, optional fraction, then one of Kubernetes' suffixes or an exponent.
bool is_quantity(std::string_view text) {
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  const auto digits = std::min(text.find_first_not_of("0123456789."), text.size());
  const auto number = text.substr(0, digits);
  if (number.empty() || number == "." || std::ranges::count(number, '.') > 1) return false;
  const auto suffix = text.substr(digits);
  for (auto known :
       {"", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"}) {
    if (suffix == known) return true;
  }
  return (suffix[0] == 'e' || suffix[0] == 'E') && parse_integer(suffix.substr(1)).has_value();
}

bool is_port(std::string_view text) {
  const auto digits = std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
  const auto value = digits && !text.starts_with('0') ? parse_integer(text) : std::nullopt;
  return value && *value >= 1 && *value <= 65535;
}

bool is_uid(std::string_view text) {
  return !text.empty() && text.size() <= kMaxSubdomain &&
         std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f && c != '/'; });
}

std::optional<std::string> unless(bool good, const char* reason) {
  if (good) return std::nullopt;
  return reason;
}

}  // namespace

bool is_dns_label(std::string_view text) {
  return !text.empty() && text.size() <= kMaxLabel && is_lower_or_digit(text.front()) &&
         is_lower_or_digit(text.back()) &&
         std::ranges::all_of(text, [](char c) { return is_lower_or_digit(c) || c == '-'; });
}

bool is_dns_subdomain(std::string_view text) {
  if (text.empty() || text.size() > kMaxSubdomain) return false;
  while (true) {
    const auto dot = text.find('.');
    const auto part = text.substr(0, dot);
    // A single part may be as long as the whole here, unlike a label.
    if (part.empty() || !is_lower_or_digit(part.front()) || !is_lower_or_digit(part.back()) ||
        !std::ranges::all_of(part, [](char c) { return is_lower_or_digit(c) || c == '-'; })) {
      return false;
    }
    if (dot == std::string_view::npos) return true;
    text.remove_prefix(dot + 1);
  }
}

bool is_label_key(std::string_view text) {
  const auto slash = text.find('/');
  if (slash != std::string_view::npos) {
    if (!is_dns_subdomain(text.substr(0, slash))) return false;
    text.remove_prefix(slash + 1);
  }
  return !text.empty() && is_label_value(text);
}

std::optional<std::string> check_format(api::Format format, std::string_view text) {
  switch (format) {
    case api::DNS_LABEL:
      return unless(is_dns_label(text),
                    "must be at most 63 lower case letters, digits or '-', and start and end with "
                    "a letter or digit");
    case api::DNS_SUBDOMAIN:
      return unless(is_dns_subdomain(text),
                    "must be at most 253 lower case letters, digits, '-' or '.', and each part "
                    "must start and end with a letter or digit");
    case api::SERVICE_NAME:
      return unless(is_dns_label(text) && text[0] >= 'a',
                    "must be at most 63 lower case letters, digits or '-', start with a letter and "
                    "end with a letter or digit");
    case api::PORT_NAME:
      return unless(is_port_name(text),
                    "must be a port name: at most 15 lower case letters, digits or '-', with a "
                    "letter");
    case api::LABEL_VALUE:
      return unless(is_label_value(text),
                    "must be at most 63 letters, digits, '-', '_' or '.', and start and end with a "
                    "letter or digit");
    case api::IP:
      return unless(IpAddress::parse(text).has_value(), "must be an IP address");
    case api::IP_OR_NONE:
      return unless(text.empty() || text == "None" || IpAddress::parse(text),
                    "must be an IP address or \"None\"");
    case api::CIDR_OR_IP:
      return unless(IpPrefix::parse(text).has_value(),
                    "must be an IP address or a network such as \"10.0.0.0/8\"");
    case api::PORT:
      return unless(is_port(text), "must be a port from 1 to 65535");
    case api::QUANTITY:
      return unless(is_quantity(text), "must be a quantity such as \"100m\" or \"1Gi\"");
    case api::UID:
      return unless(is_uid(text), "must be printable, without blanks and slashes");
    default:
      return std::nullopt;
  }
}

}  // namespace culvert::config
