// ClientConnection: a connection to an upstream that carries requests. Owned by the pool
// (pool.hpp), which decides who uses it; lives on the loop of its worker.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "culvert/base/error.hpp"
#include "culvert/h2/budget.hpp"
#include "culvert/http/limits.hpp"
#include "culvert/io/byte_stream.hpp"
#include "culvert/io/task.hpp"
#include "waypoint/http/exchange.hpp"
#include "waypoint/http/server.hpp"

namespace culvert::waypoint {

struct ClientOptions {
  http::Limits limits;
  /// Without a request, then it is closed; zero: for ever.
  std::chrono::milliseconds idle_timeout{3'600'000};
  /// Older, it takes no more requests, and closes behind the last.
  std::optional<std::chrono::milliseconds> max_duration;
  /// So many requests, then it closes; zero: any number.
  std::uint32_t max_requests = 0;
  /// HTTP/2: streams at once at most (the upstream's own limit holds too), and PINGs (zero: none).
  std::uint32_t max_streams = 0x7fff'ffff;
  std::chrono::milliseconds ping_interval{0};
  std::chrono::milliseconds ping_timeout{20'000};
  h2::Budget* budget = nullptr;  // as ServerOptions::budget
};

class ClientConnection {
 public:
  class Owner {
   public:
    /// can_open(), active() or over() may have changed. May destroy the connection when it is over,
    /// run() has returned and nothing is active.
    virtual void connection_changed(ClientConnection& connection) = 0;

   protected:
    ~Owner() = default;
  };

  static std::unique_ptr<ClientConnection> make(HttpVersion version,
                                                std::unique_ptr<io::ByteStream> bytes,
                                                const ClientOptions& options, Owner& owner);
  virtual ~ClientConnection() = default;

  /// Until the connection is over; awaited once. Stopping its fiber ends the connection.
  virtual io::Task<> run() = 0;
  /// It would take a request now.
  virtual bool can_open() const = 0;
  /// The next request; can_open() holds. The connection outlives it.
  virtual std::unique_ptr<ClientExchange> open() = 0;
  /// HTTP/2: waits for the upstream's SETTINGS; others are ready at once.
  virtual io::Task<Result<void>> ready(io::Deadline deadline) = 0;
  /// RFC 8441, known once it is ready; HTTP/1.1 takes every upgrade.
  virtual bool takes_websockets() const = 0;
  /// No more requests; it is over behind the last that is under way.
  virtual void retire() = 0;
  virtual std::size_t active() const = 0;
  virtual std::uint32_t served() const = 0;  // requests so far
  virtual bool over() const = 0;
};

}  // namespace culvert::waypoint
