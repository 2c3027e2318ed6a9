// The bytes that the bench sends, and their check: any stream of them can be told from any other
// and from itself at another offset, so what is lost, doubled, swapped or changed on the way is
// noticed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace culvert::bench {

/// A prime: no chunk of a power of two of bytes that is lost or swapped lines up with it.
inline constexpr std::size_t kPatternPeriod = 65'521;
/// What can be sent or compared in one piece; also the size of one read.
inline constexpr std::size_t kSpanBytes = 128U << 10;

/// kSpanBytes of stream `stream` from `offset` on. Static storage.
std::string_view pattern(std::uint64_t stream, std::uint64_t offset);

/// Follows one stream from its start.
class PatternCheck {
 public:
  /// `every_byte`: otherwise the ends of each piece are compared, which show any shift, and each
  /// kFullEvery-th piece as a whole: comparing everything would slow the fastest way most.
  explicit PatternCheck(std::uint64_t stream, bool every_byte = false)
      : stream_(stream), every_byte_(every_byte) {}

  /// The next piece, at most kSpanBytes. False when it is not what was sent.
  bool take(std::string_view piece);
  std::uint64_t bytes() const { return bytes_; }

  static constexpr unsigned kFullEvery = 32;
  static constexpr std::size_t kEndBytes = 64;

 private:
  std::uint64_t stream_;
  std::uint64_t bytes_ = 0;
  std::uint64_t pieces_ = 0;
  bool every_byte_;
};

}  // namespace culvert::bench
