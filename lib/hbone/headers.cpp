// CONNECT requests and responses to and from header pairs.
#include "culvert/hbone/headers.hpp"

#include <algorithm>
#include <charconv>

namespace culvert::hbone {
namespace {

std::unexpected<Error> invalid(const char* text) {
  return fail(ErrorCode::kInvalid, text, Origin::kClient);
}

// The value of the only header of that name; null when it is absent or there are several.
const std::string* only(const Headers& headers, std::string_view name) {
  const auto same = [name](const Header& h) { return h.name == name; };
  const auto found = std::ranges::find_if(headers, same);
  if (found == headers.end()) return nullptr;
  return std::any_of(std::next(found), headers.end(), same) ? nullptr : &found->value;
}

Baggage read_baggage(const Headers& headers) {
  const auto* text = only(headers, "baggage");
  return text == nullptr ? Baggage{} : parse_baggage(*text).value_or(Baggage{});
}

}  // namespace

Result<Headers> build_connect(const ConnectRequest& request) {
  const auto* host = request.authority.host();
  if (host != nullptr && !is_host_name(host->host)) return invalid("CONNECT to a malformed host");
  Headers out{{":method", "CONNECT"}, {":authority", request.authority.to_string()}};
  if (auto baggage = encode_baggage(request.baggage); !baggage.empty()) {
    out.push_back({"baggage", std::move(baggage)});
  }
  if (request.forwarded) {
    if (auto forwarded = encode_forwarded(*request.forwarded); !forwarded.empty()) {
      out.push_back({"forwarded", std::move(forwarded)});
    }
  }
  if (request.traceparent) out.push_back({"traceparent", request.traceparent->to_string()});
  if (request.source) {
    auto source = encode_original_source(*request.source);
    if (!source) return std::unexpected(source.error());
    out.push_back({std::string(kOriginalSourceHeader), std::move(*source)});
  }
  return out;
}

Result<ConnectRequest> parse_connect(const Headers& headers) {
  const auto* method = only(headers, ":method");
  if (method == nullptr || *method != "CONNECT") return invalid("not a CONNECT request");
  const auto forbidden = [](const Header& h) {
    return h.name == ":scheme" || h.name == ":path" || h.name == ":protocol";
  };
  if (std::ranges::any_of(headers, forbidden)) return invalid("CONNECT with a scheme or path");
  const auto* authority = only(headers, ":authority");
  if (authority == nullptr) return invalid("CONNECT without one :authority");
  auto target = Authority::parse(*authority);
  if (!target) return std::unexpected(target.error());

  ConnectRequest out{.authority = std::move(*target), .baggage = read_baggage(headers)};
  if (const auto* text = only(headers, "forwarded")) {
    if (auto forwarded = parse_forwarded(*text)) out.forwarded = std::move(*forwarded);
  }
  if (const auto* text = only(headers, "traceparent")) out.traceparent = TraceParent::parse(*text);
  if (h2::find(headers, kOriginalSourceHeader) != nullptr) {
    // It decides about policy: what is there must be there once, and be read as it was meant.
    const auto* text = only(headers, kOriginalSourceHeader);
    if (text == nullptr) return invalid("x-culvert-source twice");
    auto source = parse_original_source(*text);
    if (!source) return invalid(source.error().text);
    out.source = std::move(*source);
  }
  return out;
}

Headers build_response(const ConnectResponse& response) {
  Headers out{{":status", std::to_string(response.status)}};
  if (auto baggage = encode_baggage(response.baggage); !baggage.empty()) {
    out.push_back({"baggage", std::move(baggage)});
  }
  return out;
}

Result<ConnectResponse> parse_response(const Headers& headers) {
  const auto* text = only(headers, ":status");
  const auto malformed =
      fail(ErrorCode::kInvalid, "CONNECT response without a proper :status", Origin::kUpstream);
  if (text == nullptr || text->size() != 3) return malformed;
  ConnectResponse out;
  const auto [end, error] = std::from_chars(text->data(), text->data() + 3, out.status);
  if (error != std::errc() || end != text->data() + 3 || out.status < 100 || out.status > 599) {
    return malformed;
  }
  out.baggage = read_baggage(headers);
  return out;
}

Error error_of_status(int status) {
  switch (status) {
    case 401:
    case 403:
      return {ErrorCode::kDenied, Origin::kUpstream, 0, "the destination's policy refused"};
    case 400:
      return {ErrorCode::kInvalid, Origin::kUpstream, 0, "the destination refused the request"};
    case 503:
      return {ErrorCode::kRefused, Origin::kUpstream, 0, "the destination could not connect"};
    default:
      return {ErrorCode::kProtocol, Origin::kUpstream, 0, "the destination's answer is no tunnel"};
  }
}

}  // namespace culvert::hbone
