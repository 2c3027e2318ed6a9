#include "bench/message.hpp"

#include <algorithm>

namespace culvert::bench {

std::string grpc_prefix(std::uint64_t size) {
  std::string out(kGrpcPrefixBytes, '\0');  // the first byte: not compressed
  for (std::size_t i = 1; i < kGrpcPrefixBytes; ++i)
    out[i] = static_cast<char>(size >> (8 * (kGrpcPrefixBytes - 1 - i)));
  return out;
}

std::size_t MessageSource::read(std::span<std::uint8_t> into) {
  const std::size_t of_prefix = std::min(prefix_.size(), into.size());
  std::ranges::copy_n(prefix_.begin(), static_cast<std::ptrdiff_t>(of_prefix), into.begin());
  prefix_.erase(0, of_prefix);
  const std::string_view body =
      pattern(stream_, offset_).substr(0, std::min<std::uint64_t>(left_, into.size() - of_prefix));
  std::ranges::copy(body, into.subspan(of_prefix).begin());
  offset_ += body.size();
  left_ -= body.size();
  return of_prefix + body.size();
}

bool MessageCheck::take(std::string_view piece) {
  const std::size_t of_prefix = std::min(prefix_.size() - prefix_got_, piece.size());
  const bool right =
      std::string_view(prefix_).substr(prefix_got_, of_prefix) == piece.substr(0, of_prefix);
  prefix_got_ += of_prefix;
  piece.remove_prefix(of_prefix);
  return right && (piece.empty() || body_.take(piece)) && body_.bytes() <= size_;
}

}  // namespace culvert::bench
