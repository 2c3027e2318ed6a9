// Header fields as nghttp2 takes them: views into ours. Used by session.cpp and callbacks.cpp.
#pragma once

#include <nghttp2/nghttp2.h>

#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "block_text.hpp"
#include "culvert/base/error.hpp"
#include "culvert/h2/header.hpp"
#include "culvert/http/fields.hpp"

namespace culvert::h2 {

/// Of fields whose value no other stream has: an entry in the peers' HPACK tables (RFC 7541 section
/// 2.3.2) would serve nobody, push out others', and take its memory at both ends.
inline bool differs_each_time(std::string_view name) {
  switch (name.size()) {
    case 9:
      return name == "forwarded";
    case 11:
      return name == "traceparent";
    case 12:
      return name == "x-request-id";
    default:
      return false;
  }
}

inline nghttp2_nv packed(std::string_view name, std::string_view value, std::uint8_t flags) {
  if (differs_each_time(name)) flags |= NGHTTP2_NV_FLAG_NO_INDEX;
  return {reinterpret_cast<std::uint8_t*>(const_cast<char*>(name.data())),
          reinterpret_cast<std::uint8_t*>(const_cast<char*>(value.data())), name.size(),
          value.size(), flags};
}

inline bool is_sound(const Header& field) {
  const auto bytes = [](const std::string& text) {
    return reinterpret_cast<const std::uint8_t*>(text.data());
  };
  return nghttp2_check_header_name(bytes(field.name), field.name.size()) != 0 &&
         nghttp2_check_header_value_rfc9113(bytes(field.value), field.value.size()) != 0;
}
/// http::Fields hold nothing else; the pseudo-headers beside them, whose names are ours, have their
/// values from elsewhere.
inline bool is_sound(const http::Field& field) {
  return !field.name.starts_with(':') || http::is_field_value(field.value);
}

/// One copy of both, mostly side by side already.
inline http::Field copied(std::string_view name, std::string_view value, char* to) {
  if (name.data() + name.size() == value.data()) {
    std::memcpy(to, name.data(), name.size() + value.size());
  } else {
    std::memcpy(to, name.data(), name.size());
    std::memcpy(to + name.size(), value.data(), value.size());
  }
  return {{to, name.size()}, {to + name.size(), value.size()}};
}

/// kInvalid for a name or value that RFC 9113 section 8.2.1 forbids. The list is this thread's
/// until its next call. With `text` the views in it are of that, and nghttp2 copies nothing; else
/// they die with `headers`, and nghttp2 copies them.
template <class Block>
Result<std::span<const nghttp2_nv>> to_fields(const Block& headers, BlockText* text) {
  thread_local std::vector<nghttp2_nv> fields;
  fields.resize(headers.size());
  nghttp2_nv* next = fields.data();
  std::size_t bytes = 0;
  for (const auto& header : headers) {
    if (!is_sound(header)) return fail(ErrorCode::kInvalid, "a header field that HTTP/2 forbids");
    bytes += header.name.size() + header.value.size();
  }
  constexpr std::uint8_t kNoCopy = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE;
  char* at = text == nullptr ? nullptr : text->room(bytes);
  for (const auto& header : headers) {
    if (text == nullptr) {
      *next++ = packed(header.name, header.value, NGHTTP2_NV_FLAG_NONE);
      continue;
    }
    const auto own = copied(header.name, header.value, at);
    *next++ = packed(own.name, own.value, kNoCopy);
    at += own.name.size() + own.value.size();
  }
  return std::span<const nghttp2_nv>(fields);
}

}  // namespace culvert::h2
