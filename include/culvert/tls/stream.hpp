// A TLS session on a connected socket, as a ByteStream for HTTP/2. Owned by a tunnel, on its
// worker's thread. Reading and writing may go on at the same time, each by one fiber.
#pragma once

#include <string>
#include <vector>

#include "culvert/io/byte_stream.hpp"
#include "culvert/io/event.hpp"
#include "culvert/tls/session.hpp"

namespace culvert::tls {

class Stream final : public io::ByteStream {
 public:
  Stream(UniqueFd fd, Session session) : fd_(std::move(fd)), session_(std::move(session)) {}

  /// Runs the handshake to its end. On failure the alert has been sent (best effort); the error is
  /// the session's, or the transport's.
  io::Task<Result<void>> handshake(io::Deadline deadline);

  io::Task<Result<std::span<const std::uint8_t>>> read(io::Deadline deadline) override;
  io::Task<Result<void>> write(std::span<const std::uint8_t> bytes, io::Deadline deadline) override;
  io::Task<Result<void>> write_parts(Parts parts, io::Deadline deadline) override;
  io::Task<> finish(io::Deadline deadline) override;
  void free_idle_buffers() override;

  /// nullptr until the handshake is done.
  const PeerCertificate* peer() const { return session_.peer(); }
  int fd() const { return fd_.get(); }

 private:
  io::Task<Result<void>> flush(io::Deadline deadline);
  io::Task<Result<void>> feed_once(io::Deadline deadline);

  UniqueFd fd_;
  Session session_;
  std::string plaintext_;                          // decrypted, given out at the next read
  std::string given_;                              // what the last read gave out
  std::vector<std::span<const std::byte>> parts_;  // of the write under way, until it is sealed
  std::string sending_;                            // taken from the session, on its way
  bool sender_active_ = false;
  io::Event sent_;
};

}  // namespace culvert::tls
