#include "culvert/http/head_buffer.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace culvert::http {
namespace {

std::string_view text_of(std::span<const std::uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

void HeadBuffer::reset() {
  *this = HeadBuffer();
}

// The line under way has ended; `after_cr`: a CR stands before its LF.
std::expected<HeadBuffer::Line, Refusal> HeadBuffer::end_line(bool after_cr, Of of) {
  if (!after_cr) return std::unexpected(refusals::kBareLf);
  const bool blank = std::exchange(line_bytes_, 0) == 2;
  if (!blank) {
    first_line_ended_ = true;
    return Line::kContinues;
  }
  if (first_line_ended_ || of == Of::kTrailers) return Line::kLast;
  if (of == Of::kResponse || skipped_line_) return std::unexpected(refusals::kEmptyLines);
  skipped_line_ = true;
  return Line::kSkipped;
}

std::expected<std::optional<std::string_view>, Refusal> HeadBuffer::take(
    std::span<const std::uint8_t> input, std::size_t& eaten, Of of, std::size_t max_bytes) {
  const std::size_t may_take = std::min(input.size(), max_bytes - seen_bytes_);
  const std::string_view text = text_of(input);
  std::size_t from = 0;  // what a skipped line leaves behind
  std::size_t at = 0;
  while (at < may_take) {
    const auto* found = static_cast<const char*>(std::memchr(&text[at], '\n', may_take - at));
    if (found == nullptr) break;
    const auto next = static_cast<std::size_t>(found - text.data()) + 1;
    line_bytes_ += next - at;
    const bool after_cr = next >= 2 ? text[next - 2] == '\r' : ends_in_cr_;
    const auto line = end_line(after_cr, of);
    if (!line) return std::unexpected(line.error());
    at = next;
    if (*line == Line::kSkipped) {
      kept_.clear();
      from = at;
    }
    if (*line != Line::kLast) continue;
    seen_bytes_ += at;
    eaten = at;
    if (kept_.empty()) return text.substr(from, at - from);
    kept_.append(text.substr(from, at - from));
    return kept_;
  }
  if (may_take < input.size()) {
    return std::unexpected(of == Of::kTrailers                        ? refusals::kTrailersTooLong
                           : of == Of::kRequest && !first_line_ended_ ? refusals::kTargetTooLong
                                                                      : refusals::kHeadTooLong);
  }
  line_bytes_ += input.size() - at;
  kept_.append(text.substr(from));
  seen_bytes_ += input.size();
  if (!text.empty()) ends_in_cr_ = text.back() == '\r';
  eaten = input.size();
  return std::nullopt;
}

}  // namespace culvert::http
