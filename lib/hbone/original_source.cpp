// SPIFFE_ID ";" IP ":" PORT, read strictly: what decides about policy has one spelling.
#include "culvert/hbone/original_source.hpp"

#include <algorithm>

namespace culvert::hbone {
namespace {

constexpr std::string_view kScheme = "spiffe://";

std::unexpected<Error> malformed() {
  return fail(ErrorCode::kInvalid, "malformed x-culvert-source", Origin::kClient);
}

bool is_identity(std::string_view text) {
  return text.size() > kScheme.size() && text.size() <= kMaxSpiffeIdBytes &&
         text.starts_with(kScheme) &&
         std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
}

// An application that trusts its own host would trust a peer at 127.0.0.1.
bool can_be_a_peer(const SocketAddress& address) {
  return address.port != 0 && !address.ip.is_loopback() && !address.ip.is_unspecified();
}

}  // namespace

Result<std::string> encode_original_source(const OriginalSource& source) {
  if (!is_identity(source.identity) || !can_be_a_peer(source.address)) return malformed();
  return source.identity + ';' + source.address.to_string();
}

Result<OriginalSource> parse_original_source(std::string_view text) {
  if (text.size() > kMaxOriginalSourceBytes) {
    return fail(ErrorCode::kLimit, "x-culvert-source is too long", Origin::kClient);
  }
  const auto semicolon = text.rfind(';');  // an identity may have one, an address has none
  if (semicolon == std::string_view::npos) return malformed();
  const auto address = SocketAddress::parse(text.substr(semicolon + 1));
  if (!address) return malformed();
  OriginalSource out{std::string(text.substr(0, semicolon)), *address};
  const auto canonical = encode_original_source(out);
  if (!canonical || *canonical != text) return malformed();
  return out;
}

}  // namespace culvert::hbone
