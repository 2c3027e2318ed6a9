// A connection to an upstream over memory: what the upstream says, cut as wanted, and what it gets.
#pragma once

#include "server_pair.hpp"
#include "waypoint/http/client.hpp"

namespace culvert::waypoint::testing {

struct ClientPair final : ClientConnection::Owner {
  explicit ClientPair(ClientOptions options = {}) {
    client = ClientConnection::make(
        HttpVersion::kHttp1, std::make_unique<MemoryStream>(to_client, to_server), options, *this);
  }
  void connection_changed(ClientConnection&) override { ++changes; }
  void start() {
    scope.spawn([](ClientPair* self) -> Task<> { co_await self->client->run(); }, this);
  }
  /// The upstream's bytes; they come once something was asked.
  void answer(std::string_view text) {
    answers.push_back(std::string(text));
    scope.spawn([](ClientPair* self) -> Task<> { co_await self->give(); }, this);
  }
  Task<> give() {
    const auto text = std::move(answers.front());
    answers.pop_front();
    while (to_server->all.size() == answered_bytes && client->active() == 0) {
      if (!co_await to_server->changed.wait(in_short())) break;
    }
    answered_bytes = to_server->all.size();
    to_client->data += text;
    to_client->changed.notify();
  }
  static io::Deadline in_short() { return io::in(milliseconds(10)); }
  void upstream_closes() {
    scope.spawn([](ClientPair* self) -> Task<> { co_await self->do_close(); }, this);
  }
  Task<> do_close() {
    while (!answers.empty()) co_await io::sleep_until(io::in(milliseconds(1)));
    to_client->ended = true;
    to_client->changed.notify();
  }
  const std::string& asked() const { return to_server->all; }
  Task<> stop() {
    scope.request_stop();
    co_await scope.join();
  }

  std::shared_ptr<Pipe> to_server = std::make_shared<Pipe>(), to_client = std::make_shared<Pipe>();
  std::unique_ptr<ClientConnection> client;
  std::deque<std::string> answers;
  std::size_t answered_bytes = 0;
  int changes = 0;
  Scope scope;
};

}  // namespace culvert::waypoint::testing
