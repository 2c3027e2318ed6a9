// The baggage of Istio's ztunnels.
#include "culvert/hbone/baggage.hpp"

#include <algorithm>
#include <array>

namespace culvert::hbone {
namespace {

constexpr std::array<std::string_view, 4> kWorkloadTypes = {"deployment", "cronjob", "pod", "job"};

// RFC 9110 section 5.6.2.
bool is_token_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// baggage-octet (W3C Baggage section 3.3.1): printable without space, quote, comma, semicolon and
// backslash.
bool is_value_char(char c) {
  return c > ' ' && c < '\x7f' && c != '"' && c != ',' && c != ';' && c != '\\';
}

Result<std::string> decode_value(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (!is_value_char(c)) return fail(ErrorCode::kInvalid, "baggage with a bad character");
    if (c == '%') {
      const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
      const int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
      if (low < 0) return fail(ErrorCode::kInvalid, "baggage with a bad percent code");
      c = static_cast<char>(high * 16 + low);
      if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') {
        return fail(ErrorCode::kInvalid, "baggage with a control character");
      }
      i += 2;
    }
    out += c;
  }
  if (out.size() > kMaxBaggageValueBytes) return fail(ErrorCode::kLimit, "baggage value too long");
  return out;
}

// Where the value of a known key goes; null for keys that are not ours. `type` is set for workload
// names.
std::string* field_of(Baggage& baggage, std::string_view key, std::string_view& type) {
  if (key == "k8s.cluster.name") return &baggage.cluster;
  if (key == "k8s.namespace.name") return &baggage.namespace_name;
  if (key == "service.name") return &baggage.service;
  if (key == "service.version") return &baggage.revision;
  if (key == "cloud.region") return &baggage.region;
  if (key == "cloud.availability_zone") return &baggage.zone;
  if (!key.starts_with("k8s.") || !key.ends_with(".name")) return nullptr;
  if (key.size() < std::string_view("k8s..name").size()) return nullptr;
  type = key.substr(4, key.size() - 9);
  const auto known = std::ranges::find(kWorkloadTypes, type);
  return known == kWorkloadTypes.end() ? nullptr : &baggage.workload;
}

void append(std::string& out, std::string_view key, std::string_view value) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  if (value.empty() || value.size() > kMaxBaggageValueBytes) return;
  // A control character would be refused by every reader, ours included.
  if (std::ranges::any_of(
          value, [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; })) {
    return;
  }
  if (!out.empty()) out += ',';
  out.append(key).push_back('=');
  for (const char c : value) {
    if (is_value_char(c) && c != '%') {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out.append({'%', kHex[byte >> 4], kHex[byte & 15]});
    }
  }
}

}  // namespace

std::string encode_baggage(const Baggage& baggage) {
  std::string out;
  append(out, "k8s.cluster.name", baggage.cluster);
  append(out, "k8s.namespace.name", baggage.namespace_name);
  if (std::ranges::find(kWorkloadTypes, baggage.workload_type) != kWorkloadTypes.end()) {
    append(out, "k8s." + baggage.workload_type + ".name", baggage.workload);
  }
  append(out, "service.name", baggage.service);
  append(out, "service.version", baggage.revision);
  append(out, "cloud.region", baggage.region);
  append(out, "cloud.availability_zone", baggage.zone);
  return out;
}

Result<Baggage> parse_baggage(std::string_view text) {
  if (text.size() > kMaxBaggageBytes) return fail(ErrorCode::kLimit, "baggage over 8192 bytes");
  Baggage out;
  std::size_t members = 0;
  while (!text.empty()) {
    const auto member = text.substr(0, text.find(','));
    text.remove_prefix(std::min(member.size() + 1, text.size()));
    if (trim(member).empty()) continue;  // an empty list element (RFC 9110 section 5.6.1)
    if (++members > kMaxBaggageMembers)
      return fail(ErrorCode::kLimit, "baggage of over 64 members");
    const auto pair = member.substr(0, member.find(';'));
    const auto equals = pair.find('=');
    if (equals == std::string_view::npos) {
      return fail(ErrorCode::kInvalid, "baggage member without '='");
    }
    const auto key = trim(pair.substr(0, equals));
    if (key.empty() || !std::ranges::all_of(key, is_token_char)) {
      return fail(ErrorCode::kInvalid, "baggage key that is no token");
    }
    auto value = decode_value(trim(pair.substr(equals + 1)));
    if (!value) return std::unexpected(value.error());
    std::string_view type;
    std::string* const field = field_of(out, key, type);
    if (field == nullptr || !field->empty() || value->empty()) continue;
    *field = std::move(*value);
    if (!type.empty()) out.workload_type = type;
  }
  return out;
}

}  // namespace culvert::hbone
