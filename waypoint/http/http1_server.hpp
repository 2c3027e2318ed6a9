// Http1Server: a client's connection in HTTP/1.1 or 1.0 (RFC 9112). Made by ServerConnection::make;
// loop thread.
//
// Three fibers: the owner in run(), the reader, and the handler of the request under way. The
// reader keeps a receive under way all the time, so that the client's going away is seen at once;
// what it brings early waits, bounded. One request is served at a time, and the connection itself
// is its exchange.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "culvert/http/http1_reader.hpp"
#include "culvert/io/byte_stream.hpp"
#include "culvert/io/event.hpp"
#include "culvert/io/scope.hpp"
#include "waypoint/http/http1_sender.hpp"
#include "waypoint/http/output.hpp"
#include "waypoint/http/server.hpp"

namespace culvert::waypoint {

class Http1Server final : public ServerConnection, private ServerExchange, private Output::Owner {
 public:
  Http1Server(std::unique_ptr<io::ByteStream> bytes, const ServerOptions& options,
              Handler& handler);

  io::Task<Result<void>> run() override;
  void drain() override;
  std::size_t active_requests() const override { return handling_ ? 1 : 0; }
  bool can_say_that_it_ends() const override { return handling_ && !response_begun_; }

 private:
  // The exchange.
  io::Task<Result<Bytes>> read_body(io::Deadline deadline) override;
  std::optional<Result<Bytes>> try_read_body() override;
  http::Fields& request_trailers() override { return reader_.trailers(); }
  const http::Refusal* refusal() const override { return refusal_ ? &*refusal_ : nullptr; }
  StoppedBy stopped_by() const override;
  void send_informational(const http::ResponseHead& head) override;
  void send_head(const http::ResponseHead& head, bool end) override;
  [[clang::coro_wrapper]] io::Task<Result<void>> write_body(Bytes bytes,
                                                            io::Deadline deadline) override;
  io::Task<Result<void>> finish(const http::Fields& trailers, io::Deadline deadline) override;
  void reset(std::uint32_t http2_code) override;

  // Output::Owner.
  void output_failed(const Error& why) override;
  void output_moved() override;

  // The reader.
  io::Task<> read_loop();
  bool may_read() const;
  io::Deadline next_deadline() const;
  bool waits_for_upstream() const;
  void timed_out();
  void peer_finished();
  void receive(std::span<const std::uint8_t> bytes);
  bool receive_message(std::span<const std::uint8_t>& bytes);
  void refuse(const http::Refusal& refusal);

  // The handler.
  static io::Scope::Child serve_requests(Http1Server* self);
  void begin_request();
  bool end_request();
  void continue_if_wanted();
  void end_response(const http::Fields& trailers);

  void end(Result<void> result);
  void cut(Result<void> result);
  io::Task<> last_words();
  void free_idle_buffers();

  const std::unique_ptr<io::ByteStream> bytes_;
  const ServerOptions& options_;
  Handler& handler_;
  io::Scope fibers_;    // the reader, and writes that nobody waits for
  io::Scope handlers_;  // one handler at most
  io::Event over_event_;
  io::Event readable_;  // of the body, or its failure
  io::Event room_;      // to read on
  http::RequestReader reader_;
  Output output_;
  Http1Sender sender_;
  std::string ahead_;      // of the body: read, and not asked for
  std::string lent_;       // to the handler
  std::string pipelined_;  // behind the request under way
  io::Deadline moved_at_{};
  io::Deadline head_since_{};
  std::optional<http::Refusal> refusal_;
  Result<void> result_;
  std::uint16_t last_status_ = 0;      // what the client is told at the end; 0: nothing
  const io::Fiber* runner_ = nullptr;  // of run()

  // Of the request under way.
  bool handling_ = false;
  bool in_serve_ = false;  // serve_requests() runs
  bool to_head_ = false;
  http::Version version_ = http::Version::kHttp11;
  bool continue_wanted_ = false;
  bool request_ended_ = false;
  bool response_begun_ = false;
  bool response_ended_ = false;
  bool keep_alive_ = true;  // as announced

  bool raw_ = false;            // upgraded: no messages any more
  bool peer_finished_ = false;  // its FIN has come
  bool draining_ = false;
  bool over_ = false;
  bool cut_ = false;  // nothing more can, or shall, be said
  bool idle_too_long_ = false;
};

}  // namespace culvert::waypoint
