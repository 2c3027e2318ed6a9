#include "waypoint/entry/first_bytes.hpp"

#include <utility>

namespace culvert::waypoint {

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
