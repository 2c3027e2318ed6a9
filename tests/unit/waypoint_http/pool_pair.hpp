// A pool whose dialer leads to servers over memory, which answer with the request's path.
#pragma once

#include <list>

#include "server_pair.hpp"
#include "waypoint/http/pool.hpp"

namespace culvert::waypoint::testing {

/// Answers with the path.
struct PathHandler final : Handler {
  Task<> serve(ServerExchange& exchange) override {
    const std::string path = exchange.request().path;
    served->push_back(path);
    (void)co_await read_all(&exchange);
    http::ResponseHead head;
    head.status = 200;
    head.body = {true, path.size()};
    exchange.send_head(head, false);
    (void)co_await exchange.write_body(bytes_of(path), soon());
    (void)co_await exchange.finish({}, soon());
  }
  std::vector<std::string>* served = nullptr;
};

struct MemoryDialer final : Dialer {
  struct Far {
    PathHandler handler;
    std::unique_ptr<ServerConnection> server;
    std::shared_ptr<Pipe> to_server = std::make_shared<Pipe>(),
                          to_client = std::make_shared<Pipe>();
  };
  Task<Result<std::unique_ptr<io::ByteStream>>> dial(const Endpoint&, const Client&,
                                                     const DialOptions&) override {
    co_await io::sleep_until(io::in(milliseconds(1)));
    if (refuses) co_return fail(ErrorCode::kRefused, "dial", Origin::kUpstream);
    ++dialled;
    served.emplace_back();
    auto& far = fars.emplace_back();
    far.handler.served = &served.back();
    far.server = ServerConnection::make(
        version, std::make_unique<MemoryStream>(far.to_server, far.to_client), options,
        handler != nullptr ? *handler : far.handler);
    scope.spawn(
        [](ServerConnection* server, milliseconds begins_after) -> Task<> {
          co_await io::sleep_until(io::in(begins_after));
          (void)co_await server->run();
        },
        far.server.get(), servers_begin_after);
    co_return std::make_unique<MemoryStream>(far.to_client, far.to_server);
  }
  void close_first() {
    fars.front().to_client->ended = true;
    fars.front().to_client->changed.notify();
  }
  void close_all() {
    for (auto& far : fars) {
      far.to_client->ended = true;
      far.to_client->changed.notify();
    }
  }

  HttpVersion version = HttpVersion::kHttp1;
  ServerOptions options;
  Handler* handler = nullptr;  // instead of their own
  bool refuses = false;
  milliseconds servers_begin_after{0};
  int dialled = 0;
  std::list<Far> fars;
  std::deque<std::vector<std::string>> served;  // paths, by connection
  Scope scope;
};

struct PoolPair {
  explicit PoolPair(PoolOptions options = {}) : pool(dialer, options) {
    endpoint.address = *SocketAddress::parse("10.0.0.9:80");
  }
  Task<Result<std::unique_ptr<ClientExchange>>> open(std::string client = "a",
                                                     bool websocket = false) {
    Client who;
    who.identity = mesh::Identity{"cluster.local", "shop", client};
    co_return co_await pool.open({endpoint, dialer.version, websocket, who, limits, quota}, soon());
  }
  Task<> stop() {
    co_await pool.close();
    dialer.scope.request_stop();
    co_await dialer.scope.join();
  }

  MemoryDialer dialer;
  HttpPool pool;
  Endpoint endpoint;
  l7::ConnectionPool limits;
  std::shared_ptr<ClusterQuota> quota = std::make_shared<ClusterQuota>();
};

/// A GET to its end: the answer's body, or the error's name.
inline Task<std::string> get(ClientExchange* exchange, std::string_view path) {
  http::RequestHead head;
  head.method = "GET";
  head.scheme = "http";
  head.authority = "web";
  head.path = path;
  if (const auto sent = exchange->send_head(head, true); !sent) {
    co_return std::string("!") + error_info(sent.error().code).name;
  }
  const auto answer = co_await exchange->read_head(soon());
  if (!answer) co_return std::string("!") + error_info(answer.error().code).name;
  co_return co_await read_all(exchange);
}

}  // namespace culvert::waypoint::testing
