// Http2Server: a client's connection in HTTP/2 (RFC 9113); each stream's request has a handler of
// its own. Made by ServerConnection::make; loop thread.
#pragma once

#include <cstddef>
#include <memory>

#include "culvert/h2/connection.hpp"
#include "culvert/io/byte_stream.hpp"
#include "culvert/io/loop.hpp"
#include "culvert/io/scope.hpp"
#include "waypoint/http/server.hpp"

namespace culvert::waypoint {

class Http2Server final : public ServerConnection, private io::Timer {
 public:
  Http2Server(std::unique_ptr<io::ByteStream> bytes, const ServerOptions& options,
              Handler& handler);

  io::Task<Result<void>> run() override;
  void drain() override { connection_->drain(); }
  std::size_t active_requests() const override { return handlers_.size(); }
  bool can_say_that_it_ends() const override { return true; }

 private:
  class Exchange;
  static io::Scope::Child serve_stream(Http2Server* self, h2::Stream stream);
  /// It has been idle for too long, perhaps.
  void expired() override;

  const ServerOptions& options_;
  Handler& handler_;
  std::unique_ptr<h2::Connection> connection_;
  io::Scope handlers_;
  const io::Fiber* runner_ = nullptr;  // of run()
};

}  // namespace culvert::waypoint
