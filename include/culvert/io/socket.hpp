// The awaitable socket operations. Each is a request that lives in the awaiting frame; none
// allocates. All take a deadline and fail with kTimeout after it, with kCancelled when their fiber
// is stopped, else with the errno's code. Descriptors stay the caller's.
#pragma once

#include <array>
#include <coroutine>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "culvert/base/error.hpp"
#include "culvert/base/fd.hpp"
#include "culvert/base/ip.hpp"
#include "culvert/io/backend.hpp"
#include "culvert/io/loop.hpp"

namespace culvert::io {

/// What a receive got, in a buffer of the loop's pool that is returned on destruction. The pool is
/// small, and a peer that does not read makes its holder wait: so when fewer than a quarter of the
/// buffers are free the bytes are copied out and the buffer goes back at once. Whoever holds parts,
/// and however many, others receive on.
class PooledBuffer {
 public:
  PooledBuffer() = default;
  PooledBuffer(Loop& loop, std::uint16_t id, std::span<std::uint8_t> bytes);
  PooledBuffer(PooledBuffer&& other) noexcept
      : loop_(std::exchange(other.loop_, nullptr)),
        id_(other.id_),
        own_(std::move(other.own_)),
        bytes_(std::exchange(other.bytes_, {})) {}
  PooledBuffer& operator=(PooledBuffer&& other) noexcept {
    if (this != &other) {
      release();
      loop_ = std::exchange(other.loop_, nullptr);
      id_ = other.id_;
      own_ = std::move(other.own_);
      bytes_ = std::exchange(other.bytes_, {});
    }
    return *this;
  }
  ~PooledBuffer() { release(); }

  std::span<std::uint8_t> bytes() const { return bytes_; }
  bool empty() const { return bytes_.empty(); }
  void release();

 private:
  Loop* loop_ = nullptr;  // null: nothing to return
  std::uint16_t id_ = kNoBuffer;
  std::unique_ptr<std::uint8_t[]> own_;  // the bytes' copy, when they were copied out
  std::span<std::uint8_t> bytes_;
};

/// Base of the awaitables: links request, fiber, timer and coroutine.
class SocketOperation : public IoRequest, public Operation, public Timer {
 public:
  bool await_ready() const noexcept { return false; }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> handle) {
    fiber_ = handle.promise().fiber;
    waiter_ = handle;
    return begin();
  }
  void complete(std::int32_t result, std::uint16_t buffer_id) override;
  void cancel() override;
  void expired() override;

 protected:
  explicit SocketOperation(Deadline deadline) : deadline_(deadline) {}
  ~SocketOperation() = default;

  bool begin();
  void restart();  // hands the request to the backend once more, e.g. after a short send
  /// Called in complete(): true when the operation goes on (it restarted itself).
  virtual bool goes_on(std::int32_t) { return false; }
  /// After completion: the failure, if it failed.
  std::unexpected<Error> failure(const char* text) const;
  bool failed() const { return result_ < 0; }

  Deadline deadline_;
  Fiber* fiber_ = nullptr;
  std::coroutine_handle<> waiter_;
  std::int32_t result_ = 0;
  std::uint16_t buffer_id_ = kNoBuffer;
  enum class Stop : std::uint8_t { kNo, kCancelled, kTimeout };
  Stop stop_ = Stop::kNo;
  bool in_backend_ = false;
  void finish();
};

struct Accepted {
  UniqueFd fd;
  SocketAddress peer;  // as accept() gives it; port 0 for Unix sockets
};

class [[nodiscard]] accept final : public SocketOperation {
 public:
  explicit accept(int listener, Deadline deadline = kNoDeadline);
  Result<Accepted> await_resume();

 private:
  sockaddr_storage storage_{};
  socklen_t storage_size_ = sizeof storage_;
};

class [[nodiscard]] connect final : public SocketOperation {
 public:
  connect(int fd, const SocketAddress& to, Deadline deadline);
  /// To a Unix socket; paths over 107 bytes fail with ENAMETOOLONG.
  connect(int fd, const char* unix_path, Deadline deadline);
  Result<void> await_resume();

 private:
  sockaddr_storage storage_{};
};

/// Receives what there is; an empty buffer is the peer's end of stream (FIN). Stream sockets.
class [[nodiscard]] recv final : public SocketOperation, public Loop::BufferWaiter {
 public:
  recv(int fd, Deadline deadline);
  Result<PooledBuffer> await_resume();
  void buffer_returned() override;
  void cancel() override;
  void expired() override;

 private:
  bool goes_on(std::int32_t result) override;
  bool waiting_for_buffer_ = false;
  void leave_buffer_queue(Stop why);
};

/// Receives into the caller's memory; 0 is the end of stream.
class [[nodiscard]] recv_into final : public SocketOperation {
 public:
  recv_into(int fd, std::span<std::uint8_t> into, Deadline deadline);
  Result<std::size_t> await_resume();
};

/// Sends all of it; the bytes must live until it resumes.
class [[nodiscard]] send final : public SocketOperation {
 public:
  send(int fd, std::span<const std::uint8_t> bytes, Deadline deadline);
  Result<void> await_resume();

 private:
  bool goes_on(std::int32_t result) override;
};

/// One packet of a SOCK_SEQPACKET Unix socket with at most one descriptor beside it.
struct Packet {
  std::size_t size = 0;    // 0: the peer closed
  UniqueFd passed;         // invalid when none came
  bool truncated = false;  // the packet or its descriptors did not fit
};
class [[nodiscard]] recv_packet final : public SocketOperation {
 public:
  recv_packet(int fd, std::span<std::uint8_t> into, Deadline deadline);
  Result<Packet> await_resume();

 private:
  msghdr message_{};
  iovec vector_{};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * 4)> control_{};
};
class [[nodiscard]] send_packet final : public SocketOperation {
 public:
  /// `passed_fd` < 0: none.
  send_packet(int fd, std::span<const std::uint8_t> bytes, int passed_fd, Deadline deadline);
  Result<void> await_resume();

 private:
  msghdr message_{};
  iovec vector_{};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control_{};
};

/// read(2) of an eventfd, inotify, timerfd or pipe.
class [[nodiscard]] read final : public SocketOperation {
 public:
  read(int fd, std::span<std::uint8_t> into, Deadline deadline);
  Result<std::size_t> await_resume();
};

/// poll(2) once; gives the ready mask.
class [[nodiscard]] poll final : public SocketOperation {
 public:
  poll(int fd, int mask, Deadline deadline);
  Result<int> await_resume();
};

}  // namespace culvert::io
