// One end of a relay that is a plain TCP socket. Every operation is the io library's own awaitable:
// nothing is allocated a read or a write.
#pragma once

#include <sys/socket.h>

#include "culvert/io/socket.hpp"
#include "culvert/proxy/sockets.hpp"

namespace culvert::proxy {

class SocketEnd {
 public:
  explicit SocketEnd(int fd) : fd_(fd) {}  // the caller keeps the descriptor open

  /// io::recv, but an end of stream that was a reset is one.
  class [[nodiscard]] Read {
   public:
    Read(const SocketEnd& end, io::Deadline deadline) : end_(end), recv_(end.fd_, deadline) {}
    bool await_ready() const noexcept { return recv_.await_ready(); }
    template <class P>
    bool await_suspend(std::coroutine_handle<P> handle) {
      return recv_.await_suspend(handle);
    }
    Result<io::PooledBuffer> await_resume() {
      auto part = recv_.await_resume();
      if (part && part->empty() && end_.was_reset()) {
        return fail(ErrorCode::kReset, "receive", Origin::kUpstream);
      }
      return part;
    }

   private:
    const SocketEnd& end_;
    io::recv recv_;
  };

  /// A PooledBuffer; empty at the peer's FIN.
  Read read(io::Deadline deadline) { return {*this, deadline}; }
  io::send write(std::span<const std::uint8_t> bytes, io::Deadline deadline) {
    return {fd_, bytes, deadline};
  }
  /// The bytes of the last read have been passed on.
  void passed_on(io::PooledBuffer& part) { part.release(); }
  /// Our FIN. The last one is left to the close, which sends it too.
  void finish(bool last) {
    finished_ = true;
    if (!last) ::shutdown(fd_, SHUT_WR);
  }
  /// RST, when the descriptor is closed.
  void reset() { reset_on_close(fd_); }

 private:
  // The kernel tells of a reset once: when a write hears of it first, the read beside it is told of
  // an end of stream.
  bool was_reset() const { return !finished_ && ended_by_reset(fd_); }

  int fd_;
  bool finished_ = false;
};

}  // namespace culvert::proxy
