// Http2Client: a connection to an upstream in HTTP/2 (RFC 9113), a stream a request. Made by
// ClientConnection::make; loop thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "culvert/h2/connection.hpp"
#include "culvert/io/byte_stream.hpp"
#include "culvert/io/loop.hpp"
#include "waypoint/http/client.hpp"

namespace culvert::waypoint {

class Http2Client final : public ClientConnection, private io::Timer {
 public:
  Http2Client(std::unique_ptr<io::ByteStream> bytes, const ClientOptions& options,
              ClientConnection::Owner& owner);

  io::Task<> run() override;
  bool can_open() const override;
  std::unique_ptr<ClientExchange> open() override;
  io::Task<Result<void>> ready(io::Deadline deadline) override;
  bool takes_websockets() const override { return connection_->peer_takes_extended_connect(); }
  void retire() override;
  std::size_t active() const override { return active_; }
  std::uint32_t served() const override { return served_; }
  bool over() const override { return over_; }

 private:
  class Exchange;
  void dropped();
  void end();
  io::Deadline next_deadline() const;
  void expired() override;

  const ClientOptions options_;
  ClientConnection::Owner& owner_;
  std::unique_ptr<h2::Connection> connection_;
  io::Deadline born_{};
  io::Deadline idle_since_{};
  std::size_t active_ = 0;  // exchanges
  std::uint32_t served_ = 0;
  bool retired_ = false;
  bool over_ = false;
};

}  // namespace culvert::waypoint
