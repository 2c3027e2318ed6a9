#include "waypoint/entry/first_bytes.hpp"

#include <utility>

namespace culvert::waypoint {

Result<proxy::StreamPart> UndecidedEnd::look_at(Result<proxy::StreamPart> part) {
  if (decided_ || !part || part->nothing) return part;
  decided_ = true;
  if (part->empty() || passed_.backward_bytes > 0) return part;
  const auto speaks = http::detect_protocol(part->bytes);
  if (speaks != http::Detected::kHttp1 && speaks != http::Detected::kHttp2) return part;
  http_.speaks = speaks;
  http_.bytes.assign(part->bytes.begin(), part->bytes.end());
  end_.passed_on(*part);
  return fail(ErrorCode::kClosed, "the client speaks HTTP after all", Origin::kClient);
}

io::Task<Result<std::span<const std::uint8_t>>> ReadBytes::read(io::Deadline deadline) {
  if (!first_.empty() && !std::exchange(given_, true)) {
    co_return std::span(reinterpret_cast<const std::uint8_t*>(first_.data()), first_.size());
  }
  if (!first_.empty()) {
    first_.clear();
    first_.shrink_to_fit();
  }
  co_return co_await rest_->read(deadline);
}

}  // namespace culvert::waypoint
