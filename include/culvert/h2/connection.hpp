// Connection: HTTP/2 (RFC 9113) over any ByteStream, by nghttp2. Loop thread. Everything that a
// turn of the loop produced leaves in one write; flow-control windows open only as the streams'
// readers consume.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

#include "culvert/base/error.hpp"
#include "culvert/h2/header.hpp"
#include "culvert/h2/options.hpp"
#include "culvert/h2/stream.hpp"
#include "culvert/io/byte_stream.hpp"
#include "culvert/io/task.hpp"

namespace culvert::h2 {

class Session;

class Connection {
 public:
  /// Takes each new request stream, e.g. spawns a fiber for it in a scope that outlives the
  /// connection's run(). Dropping the handle resets the stream. Must not destroy the connection.
  using Handler = std::function<void(Stream)>;

  static std::unique_ptr<Connection> client(std::unique_ptr<io::ByteStream> bytes, Options options);
  static std::unique_ptr<Connection> server(std::unique_ptr<io::ByteStream> bytes, Options options,
                                            Handler handler);
  /// run() must have ended, or never have started.
  ~Connection();

  /// Reads and writes until the connection ends; awaited once, by a fiber of the owner. When it
  /// returns, every stream has ended and its waiters resume with an error. Success: drained, GOAWAY
  /// NO_ERROR, or the peer closed with no stream open. Stopping its fiber cuts the connection
  /// (kCancelled). Other errors: kReset, kProtocol, kLimit (the peer flooded), kTimeout
  /// (keep-alive).
  io::Task<Result<void>> run();

  /// Client: opens a stream; may be called before run(). kLimit when can_open() is false for the
  /// number of streams, kClosed when the connection drains or is over, kInvalid for a bad field.
  Result<Stream> open(const Headers& request, bool end_stream);
  Result<Stream> open(FieldViews request, bool end_stream);
  bool can_open() const;
  /// Client: the server has announced extended CONNECT (RFC 8441); known after handshake().
  bool peer_takes_extended_connect() const;
  /// Waits for the peer's first SETTINGS: it does speak HTTP/2. The connection outlives the wait.
  io::Task<Result<void>> handshake(io::Deadline deadline);

  std::size_t active_streams() const;
  /// GOAWAY was sent or received, or drain() called.
  bool draining() const;
  bool closed() const;
  /// When the last stream ended (or the connection was made); meaningless while there are streams.
  io::Deadline idle_since() const;
  /// When something was received last (keep-alive included).
  io::Deadline last_received() const;
  /// Bytes held: received and not consumed, and queued to send.
  std::size_t buffered_bytes() const;
  /// Nothing has come or gone for a while: frees buffers that hold nothing. Any time.
  void free_idle_buffers();

  /// Server: graceful GOAWAY (notice, one round trip, final; RFC 9113 section 6.8). Client: GOAWAY,
  /// and opens no more. run() returns when the last stream has ended. Idempotent.
  void drain();
  /// Ends the connection now: run() returns this code.
  void abort(ErrorCode why);

  io::ByteStream& bytes();

 private:
  explicit Connection(std::unique_ptr<Session> session);
  std::unique_ptr<Session> session_;
};

}  // namespace culvert::h2
