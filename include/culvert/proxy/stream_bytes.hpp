// A CONNECT stream as a ByteStream, for protocols that are spoken inside a tunnel. END_STREAM is
// FIN; one that is dropped before it was finished is reset (CONNECT_ERROR, which ztunnels pass on
// as RST), so that the far end cannot take a cut for an end.
#pragma once

#include <memory>

#include "culvert/h2/stream.hpp"
#include "culvert/io/byte_stream.hpp"

namespace culvert::proxy {

class StreamBytes final : public io::ByteStream {
 public:
  /// `keeps` lives as long as the stream: the tunnel that it is of; may be null.
  explicit StreamBytes(h2::Stream stream, std::shared_ptr<void> keeps = nullptr)
      : keeps_(std::move(keeps)), stream_(std::move(stream)) {}
  StreamBytes(const StreamBytes&) = delete;
  StreamBytes& operator=(const StreamBytes&) = delete;
  ~StreamBytes() override;

  io::Task<Result<std::span<const std::uint8_t>>> read(io::Deadline deadline) override;
  io::Task<Result<void>> write(std::span<const std::uint8_t> bytes, io::Deadline deadline) override;
  io::Task<> finish(io::Deadline deadline) override;

 private:
  std::shared_ptr<void> keeps_;  // declared first: the stream ends before its tunnel
  h2::Stream stream_;
  bool finished_ = false;
};

}  // namespace culvert::proxy
