// FieldLines: the field lines of an HTTP/1.1 head or trailer section into Fields. Pure; used by the
// readers.
#pragma once

#include <cstddef>
#include <expected>
#include <string_view>

#include "culvert/http/fields.hpp"
#include "culvert/http/refusal.hpp"

namespace culvert::http {

class FieldLines {
 public:
  /// `lines` end in CRLF each, and have no empty one (HeadBuffer sees to both). They are copied
  /// once, as a whole; `into`, whose fields are replaced, points into that copy.
  static std::expected<void, Refusal> read(std::string_view lines, std::size_t max_fields,
                                           Fields& into);
};

}  // namespace culvert::http
