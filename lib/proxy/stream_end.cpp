#include "culvert/proxy/stream_end.hpp"

namespace culvert::proxy {

Result<StreamPart> StreamEnd::Read::await_resume() {
  if (waited_) {
    if (const auto woken = wait_.await_resume(); !woken) return std::unexpected(woken.error());
  }
  const auto part = stream_.try_read();
  if (!part) return StreamPart{.bytes = {}, .nothing = true};
  if (*part) return StreamPart{.bytes = **part};
  if (part->error().code == ErrorCode::kReset) {
    const auto code = stream_.reset_code();
    if (code == h2::kCancel || code == h2::kNoError) return StreamPart{};
  }
  return std::unexpected(part->error());
}

}  // namespace culvert::proxy
