#include "culvert/io/byte_stream.hpp"

#include <sys/socket.h>

#include <vector>

namespace culvert::io {

Task<Result<void>> ByteStream::write_parts(Parts parts, Deadline deadline) {
  std::vector<std::uint8_t> joined;
  for (const auto part : parts) joined.insert(joined.end(), part.begin(), part.end());
  co_return co_await write(joined, deadline);
}

Task<Result<std::span<const std::uint8_t>>> FdStream::read(Deadline deadline) {
  last_.release();
  auto part = co_await io::recv(fd_.get(), deadline);
  if (!part) co_return std::unexpected(part.error());
  last_ = std::move(*part);
  co_return last_.bytes();
}

Task<Result<void>> FdStream::write(std::span<const std::uint8_t> bytes, Deadline deadline) {
  co_return co_await io::send(fd_.get(), bytes, deadline);
}

Task<> FdStream::finish(Deadline) {
  ::shutdown(fd_.get(), SHUT_WR);
  co_return;
}

void FdStream::abort() {
  const linger now{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

}  // namespace culvert::io
