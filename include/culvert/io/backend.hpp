// The seam between the loop and the kernel: requests go in, completions come out. io_uring is the
// implementation (lib/io/uring_backend.cpp); a readiness backend and a simulated one fit behind it.
#pragma once

#include <sys/socket.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "culvert/base/error.hpp"
#include "culvert/io/deadline.hpp"

namespace culvert::io {

enum class IoKind : std::uint8_t {
  kAccept,      // fd; result: the new descriptor (close-on-exec)
  kConnect,     // fd, address
  kRecvPooled,  // fd; the backend picks a pool buffer at completion, result: bytes, buffer_id
  kRecv,        // fd, data, size, flags
  kRecvMsg,     // fd, message, flags
  kSend,        // fd, data, size, flags
  kSendMsg,     // fd, message, flags
  kRead,        // fd, data, size (eventfd, inotify)
  kPoll,        // fd, flags = poll mask
};

inline constexpr std::uint16_t kNoBuffer = 0xffff;

/// One operation under way. Lives in the awaiting coroutine's frame until complete() was called;
/// the memory it points to must live as long. Each open connection waits in two: `kind` says what
/// of the unions there is.
class IoRequest {
 public:
  IoKind kind{};
  int fd = -1;
  int flags = 0;
  union {
    void* data = nullptr;
    msghdr* message;
    sockaddr* address;
  };
  union {
    std::size_t size = 0;
    socklen_t* address_size;  // in and out, kAccept
    socklen_t connect_size;
  };

  /// Exactly once a start(): `result` is >= 0 or a negative errno; `buffer_id` for kRecvPooled with
  /// result > 0, else kNoBuffer.
  virtual void complete(std::int32_t result, std::uint16_t buffer_id) = 0;

 protected:
  ~IoRequest() = default;
};

/// Few, so that they stay in the L2 cache; see PooledBuffer for what keeps them from running out.
struct BufferPoolOptions {
  std::uint16_t count = 16;      // a power of two
  std::uint32_t bytes = 65'500;  // of one buffer; four full HTTP/2 DATA frames of ours, so that
                                 // what is received leaves in full TLS records
};

class Backend {
 public:
  virtual ~Backend() = default;
  /// Queues the request; it reaches the kernel at the next turn().
  virtual void start(IoRequest& request) = 0;
  /// Queues its cancellation; complete() follows with -ECANCELED, or with its own result if it was
  /// already on its way.
  virtual void cancel(IoRequest& request) = 0;
  /// Submits what is queued, waits for completions until `until` (not at all when `wait` is false),
  /// then calls complete() of each. complete() must not run coroutines: it queues them.
  virtual void turn(bool wait, Deadline until) = 0;
  /// The buffer of a pooled receive, and its return to the pool.
  virtual std::span<std::uint8_t> buffer(std::uint16_t id) = 0;
  virtual void return_buffer(std::uint16_t id) = 0;
  /// Buffers that no completed receive holds.
  virtual std::size_t free_buffers() const = 0;
  virtual std::size_t buffer_count() const = 0;
  /// Requests started and not completed.
  virtual std::size_t in_flight() const = 0;
};

/// Creates the io_uring backend. `busy_poll`: while work comes quickly, how long it looks for more
/// before it sleeps (sched_yield(2) between looks); 0: never. Errors: kSystem with ENOSYS or EPERM
/// where the host forbids io_uring.
Result<std::unique_ptr<Backend>> make_uring_backend(unsigned entries, BufferPoolOptions pool,
                                                    std::chrono::microseconds busy_poll = {});

}  // namespace culvert::io
