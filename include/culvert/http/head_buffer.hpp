// HeadBuffer: finds where a head, or a trailer section, ends, however its bytes arrive. Owned by
// the readers of HTTP/1.1 (http1_reader.hpp, body_reader.hpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "culvert/http/refusal.hpp"

namespace culvert::http {

class HeadBuffer {
 public:
  enum class Of : std::uint8_t { kRequest, kResponse, kTrailers };

  /// All lines with the empty one at their end, each ending in CRLF; nullopt when more input is
  /// needed, which is then eaten and kept. What is returned points into `input` if all of it was
  /// there, else into this object, until reset(). Before a request one empty line is passed over
  /// (RFC 9112 section 2.2).
  std::expected<std::optional<std::string_view>, Refusal> take(std::span<const std::uint8_t> input,
                                                               std::size_t& eaten, Of of,
                                                               std::size_t max_bytes);
  /// For the next head; frees what was kept.
  void reset();
  /// Nothing of a head has come yet.
  bool empty() const { return seen_bytes_ == 0; }
  /// The first line has not ended yet.
  bool in_first_line() const { return !first_line_ended_; }

 private:
  enum class Line : std::uint8_t { kContinues, kSkipped, kLast };
  std::expected<Line, Refusal> end_line(bool after_cr, Of of);

  std::string kept_;            // of earlier inputs
  std::size_t seen_bytes_ = 0;  // of this head, its skipped line included
  std::size_t line_bytes_ = 0;  // of the line under way
  bool ends_in_cr_ = false;     // the last byte of the last input
  bool skipped_line_ = false;
  bool first_line_ended_ = false;
};

}  // namespace culvert::http
