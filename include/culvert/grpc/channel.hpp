// Channel: a connection to one server, made when a call needs it and made again when it is gone.
// For clients that call now and then. Loop thread.
#pragma once

#include <memory>
#include <string>

#include "culvert/grpc/call.hpp"
#include "culvert/h2/connection.hpp"
#include "culvert/io/byte_stream.hpp"
#include "culvert/io/event.hpp"
#include "culvert/io/scope.hpp"

namespace culvert::grpc {

/// Connects, with TLS where that is wanted. Outlives the channels that use it.
class Connector {
 public:
  virtual ~Connector() = default;
  virtual io::Task<Result<std::unique_ptr<io::ByteStream>>> connect(io::Deadline deadline) = 0;
};

/// To a Unix stream socket.
class UnixConnector final : public Connector {
 public:
  explicit UnixConnector(std::string path) : path_(std::move(path)) {}
  io::Task<Result<std::unique_ptr<io::ByteStream>>> connect(io::Deadline deadline) override;

 private:
  const std::string path_;
};

class Channel {
 public:
  explicit Channel(Connector& connector, h2::Options options = client_options());
  /// close() was awaited.
  ~Channel();

  /// Connects if need be, all within the deadline of `options`, which must be one. kUnavailable: no
  /// connection could be made.
  io::Task<std::expected<std::string, Status>> unary(std::string path, std::string request,
                                                     CallOptions options);
  /// Ends the connection and the calls on it.
  io::Task<> close();

 private:
  struct Link;
  io::Task<Status> connect(io::Deadline deadline);
  io::Task<> run_link(std::shared_ptr<Link> link);

  Connector& connector_;
  const h2::Options options_;
  std::shared_ptr<Link> link_;
  bool connecting_ = false;
  io::Event connected_;
  io::Scope scope_;
};

}  // namespace culvert::grpc
