// StreamIds: which stream numbers a client has passed over, and may no longer use. Loop thread.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace culvert::h2 {

/// RFC 9113 section 5.1.1: a new stream's number is larger than all before. nghttp2 ignores smaller
/// ones, as it cannot tell them from streams that were closed; what was passed over can be told.
class StreamIds {
 public:
  bool is_new(std::int32_t id) const { return id > last_; }
  /// A HEADERS frame with this number has come; false when the number was passed over before.
  bool take(std::int32_t id) {
    if (id <= last_) {
      return std::ranges::none_of(skipped_,
                                  [id](const Range& r) { return r.first <= id && id <= r.last; });
    }
    if (id > last_ + 2) skipped_[next_++ % skipped_.size()] = {last_ + 2, id - 2};
    last_ = id;
    return true;
  }

 private:
  struct Range {
    std::int32_t first = 0;
    std::int32_t last = -1;
  };
  static constexpr std::size_t kRemembered = 4;  // the latest ranges; no client passes numbers over
  std::array<Range, kRemembered> skipped_{};
  std::size_t next_ = 0;
  std::int32_t last_ = -1;
};

}  // namespace culvert::h2
