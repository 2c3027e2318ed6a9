#include "ztunnel/worker/descriptor_share.hpp"

#include <algorithm>

#include "ztunnel/settings.hpp"

namespace culvert::ztunnel {

std::size_t descriptors_for_worker(std::size_t process_limit, std::size_t workers) {
  const std::size_t kept = std::max(process_limit / kReservedPart, kMinReservedDescriptors);
  const std::size_t left = process_limit > 2 * kept ? process_limit - kept : process_limit / 2;
  return std::min(left / std::max<std::size_t>(workers, 1), 2 * kMaxConnectionsPerWorker);
}

}  // namespace culvert::ztunnel
