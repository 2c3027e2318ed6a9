// The waypoint's HTTP connections alone, as a plain proxy or as an origin: what they cost without
// routes and without a mesh. Driven by tests of what the
// connections refuse.
//
//   bench_http_edge --port P [--http2] [--to IP:PORT [--to-http2]]
//
// Without --to it answers by itself: 200 with the body of the request, or "well served".
#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>

#include "culvert/base/log.hpp"
#include "culvert/h2/stream.hpp"
#include "culvert/io/loop.hpp"
#include "culvert/io/socket.hpp"
#include "waypoint/http/pool.hpp"
#include "waypoint/http/server.hpp"

using namespace culvert;
using namespace culvert::waypoint;
using io::Task;

namespace {

struct Settings {
  std::uint16_t port = 0;
  bool http2 = false;
  std::optional<SocketAddress> to;
  bool to_http2 = false;
};

io::Deadline soon() {
  return io::Loop::current().now() + std::chrono::seconds(60);
}

void without_delay(int fd) {
  const int one = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

class TcpDialer final : public Dialer {
 public:
  Task<Result<std::unique_ptr<io::ByteStream>>> dial(const Endpoint& to, const Client&,
                                                     const DialOptions& options) override {
    UniqueFd fd(::socket(to.address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd.valid()) co_return fail_errno(errno, "socket");
    without_delay(fd.get());
    const auto connected =
        co_await io::connect(fd.get(), to.address, io::in(options.connect_timeout));
    if (!connected) co_return std::unexpected(connected.error());
    co_return std::make_unique<io::FdStream>(std::move(fd));
  }
};

Task<> answer(ServerExchange& client, std::uint16_t status, std::string body) {
  http::ResponseHead head;
  head.status = status;
  head.body = {true, body.size()};
  client.send_head(head, false);
  const Bytes bytes{reinterpret_cast<const std::uint8_t*>(body.data()), body.size()};
  if (!co_await client.write_body(bytes, soon())) co_return;
  (void)co_await client.finish({}, soon());
}

/// Says why a request was refused.
class Teller : public Handler {
 public:
  void refused(const http::Refusal& why) final {
    log::info("refused: {} {}", why.status, why.text);
  }
};

/// Answers with the body of the request.
class Origin final : public Teller {
 public:
  Task<> serve(ServerExchange& client) override {
    std::string body;
    while (client.request().body.present) {
      const auto part = co_await client.read_body(soon());
      if (!part) co_return;
      if (part->empty()) break;
      body.append(reinterpret_cast<const char*>(part->data()), part->size());
    }
    co_await answer(client, 200, body.empty() ? "well served" : std::move(body));
  }
};

/// Passes requests on as they are.
class Proxy final : public Teller {
 public:
  Proxy(HttpPool& pool, const Settings& settings) : pool_(pool) {
    to_.address = *settings.to;
    version_ = settings.to_http2 ? HttpVersion::kHttp2 : HttpVersion::kHttp1;
  }
  Task<> serve(ServerExchange& client) override {
    const bool upgrade = !client.request().upgrade.empty();
    auto upstream = co_await pool_.open({to_, version_, upgrade, nobody_, limits_, quota_}, soon());
    if (!upstream) co_return co_await answer(client, 503, upstream.error().to_string());
    if (const auto passed = co_await pass(client, **upstream); !passed) {
      client.reset(h2::kInternalError);
    }
  }

 private:
  Task<Result<void>> pass(ServerExchange& client, ClientExchange& upstream) {
    const bool has_body = client.request().body.present;
    if (auto sent = upstream.send_head(client.request(), !has_body); !sent) co_return sent;
    while (has_body) {
      const auto part = co_await client.read_body(soon());
      if (!part) co_return std::unexpected(part.error());
      if (part->empty()) {
        auto ended = co_await upstream.finish(client.request_trailers(), soon());
        if (!ended) co_return ended;
        break;
      }
      if (auto sent = co_await upstream.write_body(*part, soon()); !sent) co_return sent;
    }
    Result<http::ResponseHead*> head;
    while (true) {
      head = co_await upstream.read_head(soon());
      if (!head) co_return std::unexpected(head.error());
      if (!(*head)->informational()) break;
      client.send_informational(**head);
    }
    client.send_head(**head, !(*head)->body.present);
    while ((*head)->body.present) {
      const auto part = co_await upstream.read_body(soon());
      if (!part) co_return std::unexpected(part.error());
      if (part->empty()) co_return co_await client.finish(upstream.trailers(), soon());
      if (auto sent = co_await client.write_body(*part, soon()); !sent) co_return sent;
    }
    auto ended = co_await upstream.read_body(soon());  // so that the connection is used again
    co_return ended ? Result<void>() : std::unexpected(ended.error());
  }

  HttpPool& pool_;
  Endpoint to_;
  HttpVersion version_;
  const Client nobody_;
  const l7::ConnectionPool limits_;
  const std::shared_ptr<ClusterQuota> quota_ = std::make_shared<ClusterQuota>();
};

Task<> serve_connection(std::unique_ptr<ServerConnection> connection) {
  (void)co_await connection->run();
}

Task<> serve(io::Loop* loop, const Settings* settings, int listener) {
  TcpDialer dialer;
  HttpPool pool(dialer, {});
  ServerOptions options;
  Origin origin;
  std::optional<Proxy> proxy;
  if (settings->to) proxy.emplace(pool, *settings);
  Handler& handler = proxy ? static_cast<Handler&>(*proxy) : origin;
  const auto version = settings->http2 ? HttpVersion::kHttp2 : HttpVersion::kHttp1;
  io::Scope connections;
  while (true) {
    auto accepted = co_await io::accept(listener);
    if (!accepted) break;
    without_delay(accepted->fd.get());
    connections.spawn(
        serve_connection,
        ServerConnection::make(version, std::make_unique<io::FdStream>(std::move(accepted->fd)),
                               options, handler));
  }
  connections.request_stop();
  co_await connections.join();
  co_await pool.close();
  loop->stop();
}

int listen_on(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int one = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(port);
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::bind(fd, reinterpret_cast<sockaddr*>(&at), sizeof at) != 0 || ::listen(fd, 4096) != 0) {
    fmt::print(stderr, "cannot listen on port {}: {}\n", port, std::strerror(errno));
    std::exit(1);
  }
  return fd;
}

Settings settings_of(int argc, char** argv) {
  Settings out;
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    const bool has_value = i + 1 < argc;
    if (name == "--port" && has_value) out.port = static_cast<std::uint16_t>(atoi(argv[++i]));
    if (name == "--to" && has_value) out.to = SocketAddress::parse(argv[++i]);
    if (name == "--http2") out.http2 = true;
    if (name == "--to-http2") out.to_http2 = true;
  }
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  ::signal(SIGPIPE, SIG_IGN);
  const Settings settings = settings_of(argc, argv);
  const int listener = listen_on(settings.port);
  auto loop = io::Loop::create();
  if (!loop) return 1;
  io::Loop* raw = loop->get();
  raw->post([&] { raw->root().spawn(serve, raw, &settings, listener); });
  raw->run();
  return 0;
}
