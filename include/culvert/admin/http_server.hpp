// The administration server of every binary: HTTP/1.1 on a Unix socket (mode 0600) or a TCP
// address, on threads of its own, off the data threads. One request a connection; every request is
// bounded in bytes and time, so a slow or hostile client holds one thread for one timeout at most.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "culvert/base/error.hpp"
#include "culvert/base/fd.hpp"
#include "culvert/base/ip.hpp"

namespace culvert::admin {

struct Request {
  std::string method;                        // "GET"; HEAD is served as GET without the body
  std::string path;                          // decoded, without the query
  std::string rest;                          // what "*" of the route matched: "/pods/*" gives "UID"
  std::map<std::string, std::string> query;  // decoded; the first of equal names
  std::map<std::string, std::string> headers;  // names in lower case; the first of equal names
  std::string body;
};

struct Response {
  int status = 200;
  std::string body;
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers = {};
  bool compressed = false;  // the body is no text: it leaves as it is
};

/// Runs on one of the server's threads, several at a time; must return within its own bound. An
/// answer of 1 KiB or more leaves as gzip where the client takes it.
using Handler = std::function<Response(const Request&)>;

/// `path` is exact, or ends in "/*" for a prefix. The first route that fits wins.
struct Route {
  std::string method;
  std::string path;
  Handler handler;
};

inline constexpr std::size_t kMaxBodyBytes = 1U << 20;     // 413 beyond
inline constexpr std::size_t kMaxHeadBytes = 64U << 10;    // the connection is closed beyond
inline constexpr std::size_t kMaxWaitingConnections = 64;  // accepted, waiting for a thread
inline constexpr int kListenBacklog = 64;

struct ServerOptions {
  unsigned threads = 2;
  /// Accepted and waiting for a thread; further ones are closed.
  std::size_t waiting = kMaxWaitingConnections;
  /// For reading a request, and once more for writing its answer; the handler's time is its own.
  std::chrono::milliseconds io_timeout{10'000};
};

/// Any thread may create, stop and destroy it (one at a time).
class HttpServer {
 public:
  /// The socket appears at `path` with its mode set, replacing a stale one; its folder must exist.
  /// Errors: kInvalid when a live server answers there or the path is too long.
  static Result<std::unique_ptr<HttpServer>> on_unix_socket(const std::string& path,
                                                            std::vector<Route> routes,
                                                            ServerOptions options = {});
  /// Port 0 takes a free one (see port()). [::] serves IPv4 too.
  static Result<std::unique_ptr<HttpServer>> on_address(const SocketAddress& address,
                                                        std::vector<Route> routes,
                                                        ServerOptions options = {});
  /// Serves a socket that listens already; whose file, if it has one, is somebody else's.
  static Result<std::unique_ptr<HttpServer>> on_listener(UniqueFd listener,
                                                         std::vector<Route> routes,
                                                         ServerOptions options = {});
  virtual ~HttpServer() = default;

  /// The TCP port in host order; 0 on a Unix socket.
  virtual std::uint16_t port() const = 0;
  /// Accepts no more, cuts requests being read, lets running handlers finish, removes the socket
  /// file. Idempotent; the destructor does it too.
  virtual void stop() = 0;
  /// Accepts no more and answers what it has accepted, then ends as stop() does. What has connected
  /// but was not accepted stays in the listening socket, for whoever has another copy of it.
  virtual void finish() = 0;
};

/// {"error": error, "next": next}: what went wrong, and what the caller can do about it.
Response error_response(int status, std::string_view error, std::string_view next);

}  // namespace culvert::admin
