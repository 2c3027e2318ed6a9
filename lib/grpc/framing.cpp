#include "culvert/grpc/framing.hpp"

#include <algorithm>
#include <utility>

namespace culvert::grpc {

std::array<std::uint8_t, kFramePrefixBytes> frame_prefix(std::size_t size) {
  return {0, static_cast<std::uint8_t>(size >> 24U), static_cast<std::uint8_t>(size >> 16U),
          static_cast<std::uint8_t>(size >> 8U), static_cast<std::uint8_t>(size)};
}

void Deframer::prefix_complete() {
  message_bytes_ = (std::size_t{prefix_[1]} << 24U) | (std::size_t{prefix_[2]} << 16U) |
                   (std::size_t{prefix_[3]} << 8U) | prefix_[4];
  if (prefix_[0] != 0) {
    status_ = {StatusCode::kUnimplemented, "compressed messages are not supported"};
  } else if (message_bytes_ > max_message_bytes_) {
    status_ = {StatusCode::kResourceExhausted,
               "a message of " + std::to_string(message_bytes_) + " bytes, at most " +
                   std::to_string(max_message_bytes_) + " are taken"};
  }
}

std::size_t Deframer::feed(std::span<const std::uint8_t> bytes) {
  std::size_t taken = 0;
  if (prefix_size_ < kFramePrefixBytes) {
    taken = std::min(bytes.size(), kFramePrefixBytes - prefix_size_);
    std::copy_n(bytes.begin(), taken, prefix_.begin() + static_cast<std::ptrdiff_t>(prefix_size_));
    prefix_size_ += taken;
    if (prefix_size_ < kFramePrefixBytes) return taken;
    prefix_complete();
  }
  if (!status_.ok()) return taken;
  const std::size_t part = std::min(bytes.size() - taken, message_bytes_ - message_.size());
  message_.append(reinterpret_cast<const char*>(bytes.data()) + taken, part);
  return taken + part;
}

std::optional<std::string> Deframer::next() {
  const bool whole =
      status_.ok() && prefix_size_ == kFramePrefixBytes && message_.size() == message_bytes_;
  if (!whole) return std::nullopt;
  prefix_size_ = 0;
  return std::exchange(message_, {});
}

}  // namespace culvert::grpc
