// Targets: what a request is for (RFC 9112 section 3.2): its target and its Host. Pure; used by the
// readers.
#pragma once

#include <expected>
#include <string_view>

#include "culvert/http/message.hpp"
#include "culvert/http/refusal.hpp"

namespace culvert::http {

/// host[:port]: a name of letters, digits, '-', '.', '_' and '~', an IPv4 address, or an IPv6 one
/// in brackets; no userinfo, no empty port. Narrower than RFC 3986's: what more it allows are not
/// hosts.
bool is_authority(std::string_view text);

/// "/..." with its query, without fragment; visible US-ASCII.
bool is_path(std::string_view text);

/// Sets scheme, authority and path of `head`, whose method and version are set. `host`: the one
/// Host field; nullopt when there is none.
std::expected<void, Refusal> read_target(std::string_view target,
                                         std::optional<std::string_view> host, RequestHead& head);

}  // namespace culvert::http
