// Header fields as nghttp2 takes them: views into ours. Used by session.cpp and callbacks.cpp.
#pragma once

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <array>
#include <span>
#include <string_view>
#include <vector>

#include "culvert/base/error.hpp"
#include "culvert/h2/header.hpp"
#include "culvert/http/fields.hpp"

namespace culvert::h2 {

/// Of fields whose value no other stream has: an entry in the peers' HPACK tables (RFC 7541 section
/// 2.3.2) would serve nobody, push out others', and take its memory at both ends.
inline bool differs_each_time(std::string_view name) {
  constexpr std::array kNames = {std::string_view("traceparent"), std::string_view("forwarded"),
                                 std::string_view("x-request-id")};
  return std::ranges::find(kNames, name) != kNames.end();
}

inline nghttp2_nv packed(std::string_view name, std::string_view value) {
  const std::uint8_t flags =
      differs_each_time(name) ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE;
  return {reinterpret_cast<std::uint8_t*>(const_cast<char*>(name.data())),
          reinterpret_cast<std::uint8_t*>(const_cast<char*>(value.data())), name.size(),
          value.size(), flags};
}

inline bool is_sound(const nghttp2_nv& field) {
  return nghttp2_check_header_name(field.name, field.namelen) != 0 &&
         nghttp2_check_header_value_rfc9113(field.value, field.valuelen) != 0;
}
inline bool is_judged(const Header&) {
  return false;
}
/// http::Fields hold nothing else; the pseudo-headers beside them come from elsewhere.
inline bool is_judged(const http::Field& field) {
  return !field.name.starts_with(':');
}

/// kInvalid for a name or value that RFC 9113 section 8.2.1 forbids. The list is this thread's
/// until its next call; the views in it die with `headers`.
template <class Block>
Result<std::span<const nghttp2_nv>> to_fields(const Block& headers) {
  thread_local std::vector<nghttp2_nv> fields;
  fields.clear();
  for (const auto& header : headers) {
    fields.push_back(packed(header.name, header.value));
    if (!is_judged(header) && !is_sound(fields.back())) {
      return fail(ErrorCode::kInvalid, "a header field that HTTP/2 forbids");
    }
  }
  return std::span<const nghttp2_nv>(fields);
}

}  // namespace culvert::h2
