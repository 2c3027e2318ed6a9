// What a ring may be asked to do, by purpose: the kernel refuses the rest (-EACCES) from the moment
// that the ring is enabled, also to whom the process's memory belongs by then. io_uring's
// operations are no system calls, so the filter of docs/hardening.md does not see them. Owned by
// the backend, whose operations these are: a new one needs its line here.
// Source: io_uring_register(2), IORING_REGISTER_RESTRICTIONS; kernel 5.10.
#pragma once

#include <linux/io_uring.h>

#include <array>
#include <cstdint>

#include "culvert/base/error.hpp"

namespace culvert::io {

inline constexpr std::array kRingOperations = {
    // Connections: where they come from, and the calls that make them.
    IORING_OP_ACCEPT,
    IORING_OP_CONNECT,
    // Bytes, and messages with descriptors.
    IORING_OP_RECV,
    IORING_OP_SEND,
    IORING_OP_RECVMSG,
    IORING_OP_SENDMSG,
    // The loop's eventfd, inotify; descriptors that a library reads.
    IORING_OP_READ,
    IORING_OP_POLL_ADD,
    // Deadlines and stops.
    IORING_OP_ASYNC_CANCEL,
};

/// Flags of an operation (IOSQE_*): receives choose a buffer of the pool.
inline constexpr std::uint8_t kRingOperationFlags = IOSQE_BUFFER_SELECT;

/// What may be registered once the ring is enabled (IORING_REGISTER_*): nothing that has an effect,
/// as the pool of buffers comes before. Enabling it again fails by itself.
inline constexpr std::array kRingRegistrations = {IORING_REGISTER_ENABLE_RINGS};

/// Whether the table has the operation. The backend asserts it, because a refusal by the kernel
/// looks like a socket's own EACCES.
constexpr bool ring_allows(std::uint8_t operation) {
  for (const auto allowed : kRingOperations) {
    if (operation == allowed) return true;
  }
  return false;
}

/// Puts the table on a ring that was created with IORING_SETUP_R_DISABLED. Errors: the kernel's.
Result<void> restrict_ring(int ring);
/// Starts it. A ring with IORING_SETUP_SINGLE_ISSUER belongs to the calling thread from now on.
Result<void> enable_ring(int ring);

}  // namespace culvert::io
