// A server's connection over memory: what a client says, cut as wanted, and what it gets.
#pragma once

#include <fmt/format.h>

#include "../h2/pair.hpp"
#include "waypoint/http/server.hpp"

namespace culvert::waypoint::testing {

using h2::testing::bytes_of;
using h2::testing::MemoryStream;
using h2::testing::Pipe;
using h2::testing::settle;
using h2::testing::soon;
using io::Scope;
using io::Task;
using io::testing::run_loop;
using std::chrono::milliseconds;
using std::chrono::seconds;

inline std::string text_of(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Everything up to the end; the error's name instead when it does not end in order.
template <class Exchange>
Task<std::string> read_all(Exchange* exchange, io::Deadline deadline = soon()) {
  std::string all;
  while (true) {
    const auto part = co_await exchange->read_body(deadline);
    if (!part) co_return all + "!" + error_info(part.error().code).name;
    if (part->empty()) co_return all;
    all += text_of(*part);
  }
}

/// Answers with what it was asked: one line of the request, its body, its trailers.
class Echo : public Handler {
 public:
  Task<> serve(ServerExchange& exchange) override {
    ++begun;
    auto said = co_await describe(exchange);
    http::ResponseHead head;
    head.status = 200;
    head.body = {true, said.size()};
    exchange.send_head(head, false);
    (void)co_await exchange.write_body(bytes_of(said), soon());
    if (co_await exchange.finish({}, soon())) ++ended;
  }
  Task<std::string> describe(ServerExchange& exchange) {
    const http::RequestHead& request = exchange.request();
    std::string said = request.method + " " + request.authority + request.path;
    for (const auto field : request.fields) said += fmt::format(" {}={}", field.name, field.value);
    const auto body = co_await read_all(&exchange);
    if (!body.empty()) said += " [" + body + "]";
    for (const auto field : exchange.request_trailers()) {
      said += fmt::format(" {}={}", field.name, field.value);
    }
    seen.push_back(said);
    co_return said + "\n";
  }
  std::vector<std::string> seen;
  int begun = 0, ended = 0;
};

/// Hands requests on, and keeps what was refused.
struct Told final : Handler {
  [[clang::coro_wrapper]] Task<> serve(ServerExchange& exchange) override {
    return handler->serve(exchange);
  }
  void refused(const http::Refusal& why) override {
    reasons.emplace_back(why.text);
    handler->refused(why);
  }
  Handler* handler = nullptr;
  std::vector<std::string> reasons;
};

struct ServerPair {
  explicit ServerPair(Handler& handler, HttpVersion version = HttpVersion::kHttp1,
                      const ServerOptions& with = {})
      : options(with) {
    told.handler = &handler;
    server = ServerConnection::make(version, std::make_unique<MemoryStream>(to_server, to_client),
                                    options, told);
  }
  void start() {
    scope.spawn(
        [](ServerPair* self) -> Task<> {
          self->result = co_await self->server->run();
          self->over = true;
        },
        this);
  }
  void say(std::string_view text) {
    to_server->data += text;
    to_server->changed.notify();
  }
  void close() {
    to_server->ended = true;
    to_server->changed.notify();
  }
  const std::string& heard() const { return to_client->all; }
  /// Waits until that much has come.
  Task<> hear(std::string_view text) {
    while (heard().find(text) == std::string::npos && !over) {
      if (!co_await to_client->changed.wait(soon())) co_return;
    }
  }
  /// The client closes when the server has; then all is over.
  Task<> finish() {
    while (!to_client->ended) {
      if (!co_await to_client->changed.wait(soon())) break;
    }
    close();
    co_await scope.join();
  }

  std::shared_ptr<Pipe> to_server = std::make_shared<Pipe>(), to_client = std::make_shared<Pipe>();
  ServerOptions options;
  Told told;
  std::vector<std::string>& refused = told.reasons;
  std::unique_ptr<ServerConnection> server;
  Result<void> result;
  bool over = false;
  Scope scope;
};

}  // namespace culvert::waypoint::testing
