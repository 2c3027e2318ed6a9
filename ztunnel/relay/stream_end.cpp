#include "ztunnel/relay/stream_end.hpp"

namespace culvert::ztunnel {

io::Task<Result<std::span<const std::uint8_t>>> StreamEnd::read(io::Deadline deadline) {
  auto part = co_await stream_.read(deadline);
  if (!part && part.error().code == ErrorCode::kReset) {
    const auto code = stream_.reset_code();
    if (code == h2::kCancel || code == h2::kNoError) co_return std::span<const std::uint8_t>();
  }
  co_return part;
}

}  // namespace culvert::ztunnel
