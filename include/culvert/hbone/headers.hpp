// The headers of an HBONE CONNECT request and its response, as name and value pairs. Pure; every
// byte may be a peer's. HTTP/2's own rules (order, case, pseudo-headers) are lib/h2's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "culvert/base/error.hpp"
#include "culvert/base/ip.hpp"
#include "culvert/h2/header.hpp"
#include "culvert/hbone/authority.hpp"
#include "culvert/hbone/baggage.hpp"
#include "culvert/hbone/forwarded.hpp"
#include "culvert/hbone/original_source.hpp"
#include "culvert/hbone/traceparent.hpp"

namespace culvert::hbone {

using h2::Header;
using h2::Headers;

/// One connection asked through a tunnel. What is not there is empty.
struct ConnectRequest {
  Authority authority;
  Baggage baggage;                     // who asks, as it says itself: for logs, never for policy
  std::optional<Forwarded> forwarded;  // the client behind the tunnel
  std::optional<TraceParent> traceparent;
  /// Whom a waypoint speaks for. Only who knows that the peer is one may believe it.
  std::optional<OriginalSource> source;
  bool operator==(const ConnectRequest&) const = default;
};

/// ":method" and ":authority" first. kInvalid: a host in the authority that is no host name, or a
/// source that cannot be written.
Result<Headers> build_connect(const ConnectRequest& request);
/// kInvalid: the method is not CONNECT, or :authority is missing, twice or malformed, or there is a
/// :scheme or :path (RFC 9113 section 8.5), or x-culvert-source is there twice or malformed: answer
/// 400. Malformed baggage, forwarded and traceparent are as if absent: they only inform. Unknown
/// headers are ignored.
Result<ConnectRequest> parse_connect(const Headers& headers);

struct ConnectResponse {
  int status = 200;
  Baggage baggage;  // of the destination
  bool operator==(const ConnectResponse&) const = default;
};
Headers build_response(const ConnectResponse& response);
/// kInvalid: no :status, twice, or not three digits from 100 to 599.
Result<ConnectResponse> parse_response(const Headers& headers);

/// What a status other than 200 means to the client: 401 and 403 kDenied, 400 kInvalid, 503
/// kRefused, else kProtocol; origin kUpstream. A 1xx is not an answer yet; callers wait on.
Error error_of_status(int status);

}  // namespace culvert::hbone
