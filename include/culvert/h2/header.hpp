// Header fields of HTTP/2, as both ends see them. Plain values; any thread.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "culvert/http/fields.hpp"

namespace culvert::h2 {

/// One field (RFC 9113 section 8.2): the name in lower case, pseudo-header names with their colon.
struct Header {
  std::string name;
  std::string value;
  bool operator==(const Header&) const = default;
};

/// In wire order, pseudo-headers first.
using Headers = std::vector<Header>;

/// The same of somebody else's: what is not a pseudo-header is out of http::Fields, which hold
/// nothing that HTTP/2 forbids.
using FieldViews = std::span<const http::Field>;

/// The first value of that name; nullptr when there is none.
inline const std::string* find(const Headers& headers, std::string_view name) {
  for (const Header& header : headers) {
    if (header.name == name) return &header.value;
  }
  return nullptr;
}

}  // namespace culvert::h2
