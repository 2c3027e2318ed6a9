#include "zds_server.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "culvert/base/log.hpp"
#include "culvert/io/scope.hpp"
#include "culvert/io/socket.hpp"
#include "zds_messages.hpp"

namespace culvert::agent {

struct ZdsServer::Connection {
  explicit Connection(UniqueFd socket) : fd(std::move(socket)) {}
  UniqueFd fd;
  io::Event changed;  // an answer came, the peer left, or it is worth looking at the pods again
  std::optional<std::string> answer;
  bool awaiting = false;
  bool closed = false;
  Conversation conversation;
};

io::Task<> ZdsServer::run(UniqueFd listener) {
  io::Scope scope;
  while (true) {
    auto accepted = co_await io::accept(listener.get());
    if (!accepted && accepted.error().code == ErrorCode::kCancelled) break;
    if (!accepted) {
      log::warn("zds: {}", accepted.error().to_string());
      if (!co_await io::sleep_until(io::in(std::chrono::milliseconds(100)))) break;
      continue;
    }
    if (scope.size() >= kMaxZtunnels) {
      log::warn("zds: a ztunnel is turned away, {} are connected", kMaxZtunnels);
      continue;
    }
    scope.spawn([](ZdsServer* self, int fd) -> io::Task<> {
      Connection connection{UniqueFd(fd)};
      co_await self->serve(connection);
    }, this, accepted->fd.release());
  }
  scope.request_stop();
  co_await scope.join();
}

void ZdsServer::wake() {
  for (Connection* connection : connections_) connection->changed.notify();
}

io::Task<> ZdsServer::serve(Connection& connection) {
  if (!co_await say_hello(connection)) co_return;
  enter(connection);
  io::Scope scope;
  scope.spawn(&ZdsServer::read_answers, &connection);
  co_await talk(connection);
  leave(connection);
  scope.request_stop();
  co_await scope.join();
}

io::Task<bool> ZdsServer::say_hello(Connection& connection) {
  std::array<std::uint8_t, kMaxAnswerBytes> buffer{};
  const auto packet = co_await io::recv_packet(connection.fd.get(), buffer, io::in(kHelloTimeout));
  if (!packet || packet->size == 0) co_return false;
  const auto hello = decode_hello(std::span(buffer).first(packet->size));
  if (!hello) log::warn("zds: {}: only version 1 is spoken", hello.error().to_string());
  co_return hello.has_value();
}

void ZdsServer::enter(Connection& connection) {
  connections_.push_back(&connection);
  log::info("zds: a ztunnel is connected ({} now)", connections_.size());
  wake();
}

void ZdsServer::leave(Connection& connection) {
  std::erase(connections_, &connection);
  log::info("zds: a ztunnel has left ({} now)", connections_.size());
  if (served_ == &connection) {
    served_ = nullptr;
    handover_.served(false);
  }
  wake();
}

bool ZdsServer::is_served(const Connection& connection) const { return connections_.back() == &connection; }

io::Task<> ZdsServer::talk(Connection& connection) {
  while (!connection.closed) {
    if (!is_served(connection)) {
      if (!co_await connection.changed.wait(io::kNoDeadline)) co_return;
      continue;
    }
    if (served_ != &connection) {
      served_ = &connection;
      handover_.served(true);
      connection.conversation.report(handover_);
    }
    if (!co_await take_turn(connection)) co_return;
  }
}

// One request and its answer, or a wait for something to say. False: the conversation is over.
io::Task<bool> ZdsServer::take_turn(Connection& connection) {
  Conversation& conversation = connection.conversation;
  auto step = conversation.next(handover_.pods(), handover_.complete(), io::Clock::now());
  if (step) co_return co_await carry_out(connection, std::move(*step));
  const auto woken = co_await connection.changed.wait(conversation.retry_at());
  co_return woken || woken.error().code == ErrorCode::kTimeout;
}

io::Task<bool> ZdsServer::carry_out(Connection& connection, Step step) {
  UniqueFd netns;
  std::string error;
  const auto* add = std::get_if<AddPod>(&step);
  if (add != nullptr) {
    auto opened = open_netns_(add->pod);
    if (opened) netns = std::move(*opened);
    if (!opened) error = opened.error().to_string();
  }
  if (error.empty()) {
    auto answer = co_await exchange(connection, encode(step), netns.get());
    if (!answer) {
      if (answer.error().code != ErrorCode::kCancelled) log::warn("zds: {}", answer.error().to_string());
      co_return false;
    }
    error = std::move(*answer);
  }
  connection.conversation.answered(step, error, io::Clock::now());
  if (add != nullptr) {
    if (!error.empty()) log::warn("zds: ztunnel did not take pod {}: {}", add->pod.spec.uid, error);
    // A predecessor's late answer says nothing of the ztunnel that is served now.
    if (served_ == &connection) {
      handover_.answered(add->pod.spec.uid, add->pod.netns_cookie,
                         error.empty() ? ZtunnelState::kAcked : ZtunnelState::kFailed, error);
    }
  }
  co_return true;
}

io::Task<Result<std::string>> ZdsServer::exchange(Connection& connection, std::string request, int passed_fd) {
  const io::Deadline deadline = io::in(kAnswerTimeout);
  connection.awaiting = true;
  const std::span bytes(reinterpret_cast<const std::uint8_t*>(request.data()), request.size());
  if (auto sent = co_await io::send_packet(connection.fd.get(), bytes, passed_fd, deadline); !sent) {
    co_return std::unexpected(sent.error());
  }
  while (!connection.answer) {
    if (connection.closed) co_return fail(ErrorCode::kClosed, "wait for ztunnel's answer", Origin::kClient);
    if (auto woken = co_await connection.changed.wait(deadline); !woken) co_return std::unexpected(woken.error());
  }
  connection.awaiting = false;
  co_return *std::exchange(connection.answer, std::nullopt);
}

// Reads all the time, so that a ztunnel that leaves is noticed while there is nothing to say to it.
io::Task<> ZdsServer::read_answers(Connection* connection) {
  std::array<std::uint8_t, kMaxAnswerBytes> buffer{};
  while (!connection->closed) {
    const auto packet = co_await io::recv_packet(connection->fd.get(), buffer, io::kNoDeadline);
    connection->closed = !packet || packet->size == 0 || packet->truncated;
    if (!connection->closed) {
      auto ack = decode_ack(std::span(buffer).first(packet->size));
      // Bytes that are no answer, and an answer that nobody asked for, end the conversation.
      connection->closed = !ack || !connection->awaiting || connection->answer.has_value();
      if (connection->closed) log::warn("zds: ztunnel broke the protocol");
      if (!connection->closed) connection->answer = std::move(*ack);
    }
    connection->changed.notify();
  }
}

}  // namespace culvert::agent
