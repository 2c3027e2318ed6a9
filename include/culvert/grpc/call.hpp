// A call's messages, on the client's and on the server's end. Loop thread of its connection. One
// fiber may read while another writes. Every failure becomes a Status.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "culvert/grpc/framing.hpp"
#include "culvert/grpc/status.hpp"
#include "culvert/h2/connection.hpp"
#include "culvert/io/deadline.hpp"
#include "culvert/io/task.hpp"

namespace culvert::grpc {

/// Names in lower case; values as on the wire.
using Metadata = h2::Headers;

/// What both ends share: framed messages over one HTTP/2 stream.
class MessageStream {
 public:
  MessageStream(MessageStream&&) = default;

  /// The next message; nullopt: there is none any more, and status() says why (ok: the peer
  /// finished).
  io::Task<std::optional<std::string>> read();

 protected:
  MessageStream(h2::Stream stream, io::Deadline deadline, std::size_t max_message_bytes)
      : stream_(std::move(stream)), deadline_(deadline), deframer_(max_message_bytes) {}
  ~MessageStream() = default;
  io::Task<Result<void>> write_message(std::string_view message);
  void fail_with(Status status);
  void fail_with(const Error& error);

  h2::Stream stream_;
  io::Deadline deadline_;
  Deframer deframer_;
  std::span<const std::uint8_t> unread_;  // of the stream's last read
  bool ended_ = false;                    // the peer finished
  bool failed_ = false;
  Status status_;
};

/// For a connection to a gRPC server: PINGs only as often as servers bear (Go's take one in 15
/// seconds from istiod's clients, and none without a call; more than that ends the connection).
inline h2::Options client_options() {
  h2::Options options = h2::Options::client();
  options.ping_interval = std::chrono::seconds(30);
  options.ping_when_idle = false;
  return options;
}

struct CallOptions {
  io::Deadline deadline = io::kNoDeadline;  // kNoDeadline: only for streams that live on
  Metadata metadata;
  std::size_t max_message_bytes = kDefaultMaxMessageBytes;
  std::string authority = "localhost";
};

/// The client's end. Dropping it cancels what is unfinished.
class ClientCall : public MessageStream {
 public:
  /// `path` is "/package.Service/Method". Fails as h2::Connection::open does.
  static Result<ClientCall> start(h2::Connection& connection, std::string_view path,
                                  const CallOptions& options);

  /// The next message of the answer; nullopt: the call is over and status() is final.
  io::Task<std::optional<std::string>> read();
  /// false: the call is over; read() to the end for its status.
  io::Task<bool> write(std::string_view message);
  /// No more messages from us.
  void finish_writing() { (void)stream_.finish(); }
  void cancel();
  /// Final once read() has returned nullopt.
  const Status& status() const { return status_; }

 private:
  using MessageStream::MessageStream;
  io::Task<bool> read_headers();
  void take_status(const Metadata& from);
  bool headers_read_ = false;
};

/// One request, one answer.
io::Task<std::expected<std::string, Status>> unary(h2::Connection& connection, std::string path,
                                                   std::string request, CallOptions options);

/// The server's end, for a handler.
class ServerCall : public MessageStream {
 public:
  ServerCall(h2::Stream stream, std::string peer, io::Deadline deadline,
             std::size_t max_message_bytes)
      : MessageStream(std::move(stream), deadline, max_message_bytes), peer_(std::move(peer)) {}

  const Metadata& metadata() const { return stream_.request(); }
  /// Who is calling, as Server::serve() was told.
  const std::string& peer() const { return peer_; }
  io::Deadline deadline() const { return deadline_; }
  /// false: the client is gone or the deadline has passed.
  io::Task<bool> write(std::string_view message);
  /// Ok, or why the client is gone: what a handler returns when it has nothing better to say.
  const Status& status() const { return status_; }

 private:
  friend class Server;
  void end(const Status& status);
  bool headers_sent_ = false;
  std::string peer_;
};

}  // namespace culvert::grpc
