#include "ring_rules.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

namespace culvert::io {
namespace {

io_uring_restriction rule(std::uint16_t kind, std::uint8_t value) {
  io_uring_restriction made{};
  made.opcode = kind;
  made.sqe_op = value;  // or register_op, or sqe_flags: one byte
  return made;
}

// liburing 2.3 declares io_uring_enable_rings() but does not export it.
long io_uring_register(int ring, unsigned operation, void* argument, unsigned count) {
  return ::syscall(__NR_io_uring_register, ring, operation, argument, count);
}

}  // namespace

Result<void> restrict_ring(int ring) {
  std::vector<io_uring_restriction> rules;
  for (const auto operation : kRingOperations) {
    rules.push_back(rule(IORING_RESTRICTION_SQE_OP, operation));
  }
  for (const auto operation : kRingRegistrations) {
    rules.push_back(rule(IORING_RESTRICTION_REGISTER_OP, operation));
  }
  rules.push_back(rule(IORING_RESTRICTION_SQE_FLAGS_ALLOWED, kRingOperationFlags));
  if (io_uring_register(ring, IORING_REGISTER_RESTRICTIONS, rules.data(),
                        static_cast<unsigned>(rules.size())) != 0) {
    return fail_errno(errno, "restrict io_uring");
  }
  return {};
}

Result<void> enable_ring(int ring) {
  if (io_uring_register(ring, IORING_REGISTER_ENABLE_RINGS, nullptr, 0) != 0) {
    return fail_errno(errno, "enable io_uring");
  }
  return {};
}

}  // namespace culvert::io
