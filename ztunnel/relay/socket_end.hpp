// One end of a relay that is a plain TCP socket. Every operation is the io library's own awaitable:
// nothing is allocated a read or a write.
#pragma once

#include <sys/socket.h>

#include "culvert/io/socket.hpp"
#include "ztunnel/worker/dial.hpp"

namespace culvert::ztunnel {

class SocketEnd {
 public:
  explicit SocketEnd(int fd) : fd_(fd) {}  // the caller keeps the descriptor open

  /// A PooledBuffer; empty at the peer's FIN.
  io::recv read(io::Deadline deadline) { return {fd_, deadline}; }
  io::send write(std::span<const std::uint8_t> bytes, io::Deadline deadline) {
    return {fd_, bytes, deadline};
  }
  /// The bytes of the last read have been passed on.
  void passed_on(io::PooledBuffer& part) { part.release(); }
  /// Our FIN.
  void finish() { ::shutdown(fd_, SHUT_WR); }
  /// RST, when the descriptor is closed.
  void reset() { reset_on_close(fd_); }

 private:
  int fd_;
};

}  // namespace culvert::ztunnel
