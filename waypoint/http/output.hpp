// Output: the bytes that a connection of HTTP/1.1 has to send. What is queued leaves in one write
// at the end of the loop's turn, or with who waits for it. Part of Http1Server and Http1Client;
// loop thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

#include "culvert/base/error.hpp"
#include "culvert/io/byte_stream.hpp"
#include "culvert/io/deadline.hpp"
#include "culvert/io/event.hpp"
#include "culvert/io/scope.hpp"
#include "culvert/io/task.hpp"
#include "waypoint/http/exchange.hpp"

namespace culvert::waypoint {

/// Buffers of an idle connection that are larger are freed.
inline constexpr std::size_t kKeptBytes = 1024;
/// Parts of a body up to so many bytes are copied behind what is queued, so that a small message is
/// one write; larger ones go out from where they are.
inline constexpr std::size_t kCopiedPartBytes = 16U << 10;
/// Who queues more than this waits until some of it has left.
inline constexpr std::size_t kSendQueueBytes = 64U << 10;

class Output {
 public:
  /// Whom it belongs to.
  class Owner {
   public:
    /// The stream takes no more; once.
    virtual void output_failed(const Error& why) = 0;
    /// Bytes have left.
    virtual void output_moved() = 0;

   protected:
    ~Owner() = default;
  };

  /// `fibers` runs the writes that nobody waits for, each at most `timeout` long; it is joined
  /// before this dies. `origin`: of errors.
  Output(io::ByteStream& bytes, io::Scope& fibers, Owner& owner, Origin origin,
         std::chrono::milliseconds timeout)
      : bytes_(bytes), fibers_(fibers), owner_(owner), origin_(origin), timeout_(timeout) {}

  /// Append here, then flush_soon() or flush().
  std::string& queue() { return queue_; }
  void flush_soon();
  /// Waits until all that is queued was handed to the stream.
  io::Task<Result<void>> flush(io::Deadline deadline);
  /// What is queued, then `bytes`, then `tail`. `bytes` may be anyone's until it returns; a failure
  /// half-way ends the output.
  io::Task<Result<void>> write(Bytes bytes, std::string_view tail, io::Deadline deadline);
  /// Whether a part may be copied behind what is queued.
  bool has_room() const { return queue_.size() < kSendQueueBytes; }
  io::Task<Result<void>> wait_for_room(io::Deadline deadline);

  /// Nothing more is sent; who waits is told.
  void stop();
  bool failed() const { return failed_; }
  /// Something was handed to the stream since the last reset of this flag by its owner.
  bool any_sent() const { return any_sent_; }
  void forget_sent() { any_sent_ = false; }
  bool idle() const { return queue_.empty() && !writing_; }
  void free_idle_buffers();

 private:
  static io::Scope::Child flush_later(Output* self);
  io::Task<Result<void>> write_queue(io::Deadline deadline);
  Result<void> written(Result<void> result);
  Result<void> failure(Error error);

  io::ByteStream& bytes_;
  io::Scope& fibers_;
  Owner& owner_;
  const Origin origin_;
  const std::chrono::milliseconds timeout_;
  std::string queue_;
  std::string sending_;  // lent to the stream
  bool writing_ = false;
  bool scheduled_ = false;
  bool failed_ = false;
  bool any_sent_ = false;
  io::Event changed_;  // a write has ended
};

}  // namespace culvert::waypoint
