// Who of a worker's pods may take more descriptors. No pod has a fixed share: it may hold no more
// than are free, or twice that as a server (dynamic thresholds, Choudhury and Hahne, 1998). One
// that takes all it can get ends up with half of them, two with a third each, and there is always
// something for one that comes later. Values and arithmetic; worker's thread.
#pragma once

#include <cstddef>
#include <cstdint>

namespace culvert::ztunnel {

/// On whose behalf a descriptor is taken.
enum class Role : std::uint8_t {
  kClient,  // a connection that the pod opened
  kServer,  // one that was opened to it
};
/// A pod's connections from others may hold so many times what is free: up to two thirds of all.
/// One client, which gets half at most, can so not take all that its server may hold.
inline constexpr std::size_t kServerFactor = 2;

class DescriptorShare {
 public:
  explicit DescriptorShare(std::size_t limit) : limit_(limit) {}

  /// Whether a pod that holds `own` may take `more`.
  bool admits(std::size_t own, std::size_t more, Role role = Role::kClient) const {
    const std::size_t factor = role == Role::kServer ? kServerFactor : 1;
    return used_ + more <= limit_ && own + more <= factor * (limit_ - used_);
  }
  std::size_t limit() const { return limit_; }
  std::size_t used() const { return used_; }

 private:
  friend class DescriptorLease;
  const std::size_t limit_;
  std::size_t used_ = 0;
};

/// Some descriptors of a pod, counted while it lives. `own` is the pod's counter; both outlive it.
class DescriptorLease {
 public:
  DescriptorLease(DescriptorShare& share, std::size_t& own, std::size_t count)
      : share_(share), own_(own), count_(count) {
    share_.used_ += count_;
    own_ += count_;
  }
  DescriptorLease(const DescriptorLease&) = delete;
  DescriptorLease& operator=(const DescriptorLease&) = delete;
  ~DescriptorLease() {
    share_.used_ -= count_;
    own_ -= count_;
  }

 private:
  DescriptorShare& share_;
  std::size_t& own_;
  const std::size_t count_;
};

/// Descriptors that a worker's connections may take: its part of the process' limit, without what
/// listeners, rings, control and admin need.
std::size_t descriptors_for_worker(std::size_t process_limit, std::size_t workers);

}  // namespace culvert::ztunnel
