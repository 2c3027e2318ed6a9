// Http1Client: a connection to an upstream in HTTP/1.1 (RFC 9112), one request after another. Made
// by ClientConnection::make; loop thread.
//
// Its reader keeps a receive under way, so that an idle connection which the upstream closes is
// known for dead at once. What it brings is parsed by who asks for the response, in place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "culvert/http/http1_reader.hpp"
#include "culvert/io/byte_stream.hpp"
#include "culvert/io/event.hpp"
#include "culvert/io/scope.hpp"
#include "waypoint/http/client.hpp"
#include "waypoint/http/http1_sender.hpp"
#include "waypoint/http/output.hpp"

namespace culvert::waypoint {

class Http1Client final : public ClientConnection, private Output::Owner {
 public:
  Http1Client(std::unique_ptr<io::ByteStream> bytes, const ClientOptions& options,
              ClientConnection::Owner& owner);

  io::Task<> run() override;
  bool can_open() const override { return !active_ && !over_ && !retired_; }
  std::unique_ptr<ClientExchange> open() override;
  io::Task<Result<void>> ready(io::Deadline deadline) override;
  bool takes_websockets() const override { return true; }
  void retire() override;
  std::size_t active() const override { return active_ ? 1 : 0; }
  std::uint32_t served() const override { return served_; }
  bool over() const override { return over_; }

 private:
  class Exchange;
  enum class Upstream : std::uint8_t { kOpen, kFinished, kBroken };

  void output_failed(const Error& why) override;
  void output_moved() override {}

  io::Task<> read_loop();
  io::Deadline next_deadline() const;
  bool expired() const;
  void end();

  // Of the exchange.
  Result<void> send_head(const http::RequestHead& head, bool ends);
  io::Task<Result<void>> finish(const http::Fields& trailers, io::Deadline deadline);
  io::Task<Result<http::ResponseHead*>> read_head(io::Deadline deadline);
  io::Task<Result<Bytes>> read_body(io::Deadline deadline);
  std::optional<Result<Bytes>> try_read_body();
  std::optional<Result<http::Piece>> next_piece();
  void begin_raw();
  std::optional<Result<Bytes>> try_read_raw();
  io::Task<Result<void>> wait_readable(io::Deadline deadline);
  Error broken(const char* text) const;
  void release_input();
  void dropped();

  const std::unique_ptr<io::ByteStream> bytes_;
  const ClientOptions options_;
  ClientConnection::Owner& owner_;
  io::Scope fibers_;
  io::Event over_event_;
  io::Event readable_;
  io::Event released_;
  http::ResponseReader reader_;
  Output output_;
  Http1Sender sender_;
  Bytes input_;              // what is not parsed yet of what the reader brought
  bool input_lent_ = false;  // the reader waits until all of it has been passed on
  Upstream upstream_ = Upstream::kOpen;
  io::Deadline born_{};
  io::Deadline idle_since_{};
  std::uint32_t served_ = 0;

  // Of the exchange under way.
  bool active_ = false;
  bool head_sent_ = false;
  bool request_ended_ = false;
  bool response_begun_ = false;  // its final head was read
  bool response_ended_ = false;
  bool raw_ = false;
  bool last_ = false;  // the upstream was asked to close behind it

  bool retired_ = false;
  bool over_ = false;
  bool in_order_ = false;  // it ends between requests
};

}  // namespace culvert::waypoint
