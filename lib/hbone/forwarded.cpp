// RFC 7239, section 4: forwarded-element = [ pair ] *( ";" [ pair ] ), value = token /
// quoted-string.
#include "culvert/hbone/forwarded.hpp"

#include <algorithm>
#include <utility>

#include "culvert/hbone/authority.hpp"

namespace culvert::hbone {
namespace {

bool is_token_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}
bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, lower, lower);
}

// Reads one text from the front of `rest`.
class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  bool at_end() const { return rest_.empty(); }
  bool next_is(char c) const { return !rest_.empty() && rest_.front() == c; }
  bool skip(char c) {
    if (!next_is(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  void skip_spaces() {
    while (skip(' ') || skip('\t')) {
    }
  }
  std::string token() {
    std::size_t size = 0;
    while (size < rest_.size() && is_token_char(rest_[size])) ++size;
    std::string out(rest_.substr(0, size));
    rest_.remove_prefix(size);
    return out;
  }
  // A token or a quoted string; nullopt when neither is there.
  std::optional<std::string> value() {
    if (!skip('"')) {
      auto plain = token();
      return plain.empty() ? std::nullopt : std::optional(std::move(plain));
    }
    std::string out;
    while (!at_end()) {
      if (skip('"')) return out;
      skip('\\');
      if (at_end() || static_cast<unsigned char>(rest_.front()) < ' ' || rest_.front() == '\x7f') {
        break;
      }
      out += rest_.front();
      rest_.remove_prefix(1);
    }
    return std::nullopt;
  }

 private:
  std::string_view rest_;
};

// node = ( IPv4 / "[" IPv6 "]" / "unknown" / obfuscated ) [ ":" port ], RFC 7239 section 6. False
// when it is none of them; addresses without a port keep port 0.
bool read_node(std::string_view node, std::optional<SocketAddress>& source) {
  if (node.empty()) return false;
  const auto name = node.substr(0, node.find(':'));
  if (name.front() == '_' || equals_ignoring_case(name, "unknown")) return true;
  if (const auto address = Authority::parse(node)) {
    if (address->address() == nullptr) return false;
    source = *address->address();
    return true;
  }
  const bool bracketed = node.starts_with('[') && node.ends_with(']');
  const auto ip = IpAddress::parse(bracketed ? node.substr(1, node.size() - 2) : node);
  if (!ip || (bracketed ? ip->is_v4() : node.find(':') != std::string_view::npos)) return false;
  source = SocketAddress{.ip = *ip, .port = 0};
  return true;
}

bool read_host(std::string_view text, std::string& host) {
  if (const auto authority = Authority::parse(text); authority && authority->host() != nullptr) {
    host = authority->host()->host;
    return true;
  }
  if (!is_host_name(text)) return false;
  host = text;
  std::ranges::transform(host, host.begin(), lower);
  return true;
}

// node of RFC 7239 section 6; without a port when there is none.
std::string node_of(const SocketAddress& address) {
  if (address.port != 0) return address.to_string();
  return address.ip.is_v4() ? address.ip.to_string() : "[" + address.ip.to_string() + "]";
}

}  // namespace

std::string encode_forwarded(const Forwarded& forwarded) {
  std::string out;
  if (forwarded.source) out = "for=\"" + node_of(*forwarded.source) + "\"";
  if (is_host_name(forwarded.host)) {
    if (!out.empty()) out += ';';
    out += "host=" + forwarded.host;
  }
  return out;
}

Result<Forwarded> parse_forwarded(std::string_view text) {
  if (text.size() > kMaxForwardedBytes) {
    return fail(ErrorCode::kLimit, "forwarded over 1024 bytes", Origin::kClient);
  }
  const auto malformed = fail(ErrorCode::kInvalid, "malformed forwarded", Origin::kClient);
  Forwarded out;
  bool seen_for = false, seen_host = false;
  Reader reader(text);
  for (;;) {
    reader.skip_spaces();
    if (reader.at_end() || reader.next_is(',')) return out;
    if (reader.skip(';')) continue;
    const auto name = reader.token();
    if (name.empty() || !reader.skip('=')) return malformed;
    const auto value = reader.value();
    if (!value) return malformed;
    if (equals_ignoring_case("for", name)) {
      if (std::exchange(seen_for, true) || !read_node(*value, out.source)) return malformed;
    } else if (equals_ignoring_case("host", name)) {
      if (std::exchange(seen_host, true) || !read_host(*value, out.host)) return malformed;
    }
    reader.skip_spaces();
    if (!reader.at_end() && !reader.next_is(';') && !reader.next_is(',')) return malformed;
  }
}

}  // namespace culvert::hbone
