// ServerConnection: serves HTTP on one connection that a client opened, request by request. Owned
// by who accepted it (entry/); lives on the loop of its worker.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "culvert/base/error.hpp"
#include "culvert/h2/budget.hpp"
#include "culvert/http/limits.hpp"
#include "culvert/http/refusal.hpp"
#include "culvert/io/byte_stream.hpp"
#include "culvert/io/task.hpp"
#include "waypoint/http/exchange.hpp"

namespace culvert::waypoint {

/// What a connection speaks. HTTP/1.0 is served as kHttp1.
enum class HttpVersion : std::uint8_t { kHttp1, kHttp2 };

/// Of a request's body, what may be read ahead while its handler is busy: so the client's end of
/// stream is seen behind it. Pipelined requests may wait in as many bytes again.
inline constexpr std::size_t kReadAheadBytes = 64U << 10;
/// After the last response of a connection: so long its client may take to read it and close.
inline constexpr std::chrono::seconds kLingerTimeout{5};

/// Times are Envoy's and Istio's defaults where they have one (docs/http.md).
struct ServerOptions {
  http::Limits limits;
  /// From a head's first byte to its last: then 408, and the connection ends.
  std::chrono::milliseconds head_timeout{60'000};
  /// Without a request; then the connection is closed.
  std::chrono::milliseconds idle_timeout{3'600'000};
  /// What a client may take to send the next byte of its request while it has no response, or to
  /// take the next byte of its response; then the handler is stopped, and the client gets 408 if
  /// the response has not begun. Not bounded here: waiting for the response of a request that has
  /// come whole, websockets, and the silence of both behind the response's head.
  std::chrono::milliseconds stream_idle_timeout{300'000};
  /// HTTP/2: streams at once, and its PINGs.
  std::uint32_t max_streams = 100;
  std::chrono::milliseconds ping_interval{10'000};
  std::chrono::milliseconds ping_timeout{20'000};
  /// Of all HTTP/2 streams of the process; outlives the connections. Null: none.
  h2::Budget* budget = nullptr;
  /// "http" or "https": of requests that do not say.
  const char* scheme = "http";
};

/// Serves the requests of a connection. By exchange/.
class Handler {
 public:
  virtual ~Handler() = default;
  /// Serves one request, as a fiber of its own: to its end, or until it is stopped. What it leaves
  /// unfinished is cut short as by reset(); if nothing of the response was sent then, the client
  /// gets the status of what was wrong with its request (if read_body() failed by that), or its
  /// connection is closed.
  virtual io::Task<> serve(ServerExchange& exchange) = 0;
  /// A request that serve() never sees, as its head was refused. Its client is answered.
  virtual void refused(const http::Refusal&) {}
};

class ServerConnection {
 public:
  /// `options` and `handler` outlive the connection.
  static std::unique_ptr<ServerConnection> make(HttpVersion version,
                                                std::unique_ptr<io::ByteStream> bytes,
                                                const ServerOptions& options, Handler& handler);
  virtual ~ServerConnection() = default;

  /// Serves until the connection ends; awaited once. Handlers have ended when it returns. Success:
  /// the client closed between requests, it was idle too long, or a drain is done. Errors have
  /// origin kClient: kProtocol or kLimit (its request was refused: the text says why), kReset (it
  /// went away with a request under way), kTimeout (a head that did not come, or stream_idle); or
  /// kCancelled.
  virtual io::Task<Result<void>> run() = 0;
  /// Requests under way are served to their end, then the connection is closed: GOAWAY, or
  /// "connection: close" on the next response; at once if it is idle. Idempotent.
  virtual void drain() = 0;
  /// Requests whose handlers have not ended.
  virtual std::size_t active_requests() const = 0;
  /// Whether a drain that begins now is told to the client before its next request: by HTTP/2, or
  /// by a response whose head has not left.
  virtual bool can_say_that_it_ends() const = 0;
};

}  // namespace culvert::waypoint
