// ByteStream: the seam between protocols (HTTP/2) and what carries their bytes: a plain descriptor
// (gRPC over Unix sockets) or TLS. One reader fiber and one writer fiber at a time, of one loop.
#pragma once

#include <cstdint>
#include <span>

#include "culvert/base/error.hpp"
#include "culvert/base/fd.hpp"
#include "culvert/io/deadline.hpp"
#include "culvert/io/socket.hpp"
#include "culvert/io/task.hpp"

namespace culvert::io {

class ByteStream {
 public:
  using Parts = std::span<const std::span<const std::uint8_t>>;

  virtual ~ByteStream() = default;
  /// What there is, valid until the next read(); empty at the peer's orderly end (FIN,
  /// close_notify).
  virtual Task<Result<std::span<const std::uint8_t>>> read(Deadline deadline) = 0;
  /// Writes all of it.
  virtual Task<Result<void>> write(std::span<const std::uint8_t> bytes, Deadline deadline) = 0;
  /// Writes all parts, in order. Their bytes are not touched any more once the call has suspended,
  /// so that the caller may lend what is another fiber's. Here: by a copy.
  virtual Task<Result<void>> write_parts(Parts parts, Deadline deadline);
  /// Ends our direction in order (close_notify, FIN); best effort.
  virtual Task<> finish(Deadline deadline) = 0;
  /// Said before this is destroyed: our direction has not ended in order, and the peer must not
  /// take its end for one. Here: nothing, for carriers that show an end without finish() as what it
  /// is (TLS without close_notify, a CONNECT stream that is reset).
  virtual void abort() {}
  /// Nothing has come or gone for a while: frees buffers that hold nothing. Any time.
  virtual void free_idle_buffers() {}
};

/// A connected stream socket, owned.
class FdStream final : public ByteStream {
 public:
  explicit FdStream(UniqueFd fd) : fd_(std::move(fd)) {}
  Task<Result<std::span<const std::uint8_t>>> read(Deadline deadline) override;
  Task<Result<void>> write(std::span<const std::uint8_t> bytes, Deadline deadline) override;
  Task<> finish(Deadline deadline) override;
  /// Closing resets the connection (RST) from now on; what is not sent yet is dropped.
  void abort() override;
  int fd() const { return fd_.get(); }

 private:
  UniqueFd fd_;
  PooledBuffer last_;
};

}  // namespace culvert::io
