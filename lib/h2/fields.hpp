// Header fields as nghttp2 takes them: views into ours. Used by session.cpp.
#pragma once

#include <nghttp2/nghttp2.h>

#include <vector>

#include "culvert/base/error.hpp"
#include "culvert/h2/header.hpp"

namespace culvert::h2 {

/// Of fields whose value no other stream has: an entry in the peers' HPACK tables (RFC 7541 section
/// 2.3.2) would serve nobody, push out others', and take its memory at both ends.
inline bool differs_each_time(const Header& header) {
  return header.name == "traceparent" || header.name == "forwarded";
}

/// kInvalid for a name or value that RFC 9113 section 8.2.1 forbids. The views die with `headers`.
inline Result<std::vector<nghttp2_nv>> to_fields(const Headers& headers) {
  std::vector<nghttp2_nv> fields;
  fields.reserve(headers.size());
  for (const Header& header : headers) {
    auto* name = reinterpret_cast<const std::uint8_t*>(header.name.data());
    auto* value = reinterpret_cast<const std::uint8_t*>(header.value.data());
    if (nghttp2_check_header_name(name, header.name.size()) == 0 ||
        nghttp2_check_header_value_rfc9113(value, header.value.size()) == 0) {
      return fail(ErrorCode::kInvalid, "a header field that HTTP/2 forbids");
    }
    const std::uint8_t flags =
        differs_each_time(header) ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE;
    fields.push_back({const_cast<std::uint8_t*>(name), const_cast<std::uint8_t*>(value),
                      header.name.size(), header.value.size(), flags});
  }
  return fields;
}

}  // namespace culvert::h2
