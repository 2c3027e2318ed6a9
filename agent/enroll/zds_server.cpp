#include "zds_server.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <string>

#include "culvert/base/log.hpp"
#include "culvert/io/scope.hpp"
#include "culvert/io/socket.hpp"

namespace culvert::agent {

struct ZdsServer::Connection {
  explicit Connection(UniqueFd socket) : fd(std::move(socket)) {}
  UniqueFd fd;
  zds::ServerConnection zds;
  Handover::Pods pods;                  // what `zds` was told to hand over
  std::set<std::string> without_netns;  // of these: could not be opened when it was tried
  io::Event changed;  // a packet came, the peer left, or it is worth looking at the pods again
  bool hello = false;
  bool closed = false;
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
    scope.spawn(
        [](ZdsServer* self, int fd) -> io::Task<> {
          Connection connection{UniqueFd(fd)};
          co_await self->serve(connection);
        },
        this, accepted->fd.release());
  }
  scope.request_stop();
  co_await scope.join();
}

void ZdsServer::wake() {
  for (Connection* connection : connections_) connection->changed.notify();
}

io::Task<> ZdsServer::serve(Connection& connection) {
  io::Scope scope;
  scope.spawn(&ZdsServer::read_packets, this, &connection);
  if (co_await greeted(connection)) {
    connections_.push_back(&connection);
    log::info("zds: a ztunnel is connected ({} now)", connections_.size());
    wake();
    co_await talk(connection);
    leave(connection);
  }
  scope.request_stop();
  co_await scope.join();
}

io::Task<bool> ZdsServer::greeted(Connection& connection) {
  const io::Deadline deadline = io::in(kHelloTimeout);
  while (!connection.hello) {
    if (connection.closed) co_return false;
    if (!co_await connection.changed.wait(deadline)) co_return false;
  }
  co_return true;
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

io::Task<> ZdsServer::talk(Connection& connection) {
  while (!connection.closed) {
    if (!is_served(connection)) {
      if (!co_await connection.changed.wait(io::kNoDeadline)) co_return;
      continue;
    }
    if (served_ != &connection) start_serving(connection);
    // Asked first: what is known once it is complete is then taken over whole.
    connection.zds.set_complete(handover_.complete());
    take_over_pods(connection);
    if (!co_await say_next(connection)) co_return;
  }
}

void ZdsServer::start_serving(Connection& connection) {
  served_ = &connection;
  handover_.served(true);
  report(connection);
}

// Brings the conversation's pods up to date. A pod whose namespace cannot be opened now is looked
// at again at every wake, until Enrollment has forgotten it or it opens.
void ZdsServer::take_over_pods(Connection& connection) {
  const Handover::Pods wanted = handover_.pods();
  for (const auto& [uid, pod] : connection.pods) {
    if (!wanted.contains(uid)) connection.zds.remove(uid);
  }
  for (const auto& [uid, pod] : wanted) {
    const auto known = connection.pods.find(uid);
    const bool told = known != connection.pods.end() && known->second == pod;
    if (told && !connection.without_netns.contains(uid)) continue;
    const bool opens = open_netns_(pod).has_value();
    opens ? (void)connection.without_netns.erase(uid) : (void)connection.without_netns.insert(uid);
    const PodSpec& spec = pod.spec;
    connection.zds.add({uid, spec.name, spec.pod_namespace, spec.service_account}, pod.netns_cookie,
                       opens);
  }
  connection.pods = wanted;
}

// Sends the next request, or waits until there may be one. False: the conversation is over.
io::Task<bool> ZdsServer::say_next(Connection& connection) {
  const auto send = connection.zds.next(io::Clock::now());
  if (!send) {
    log::warn("zds: {}", send.error().to_string());
    co_return false;
  }
  if (!send->has_value()) {
    const auto deadline = connection.zds.next_deadline().value_or(io::kNoDeadline);
    const auto woken = co_await connection.changed.wait(deadline);
    co_return woken || woken.error().code == ErrorCode::kTimeout;
  }
  const zds::ServerConnection::Send& request = **send;
  UniqueFd netns;
  if (!request.attach_netns_of.empty()) {
    auto opened = open_netns_(connection.pods.at(request.attach_netns_of));
    // Gone since it was looked at: a new connection starts with a snapshot that leaves it out.
    if (!opened) co_return false;
    netns = std::move(*opened);
  }
  const std::span bytes(reinterpret_cast<const std::uint8_t*>(request.packet.data()),
                        request.packet.size());
  const auto sent =
      co_await io::send_packet(connection.fd.get(), bytes, netns.get(), io::in(kSendTimeout));
  if (!sent && sent.error().code != ErrorCode::kCancelled)
    log::warn("zds: {}", sent.error().to_string());
  co_return sent.has_value();
}

// Reads all the time, so that a ztunnel that leaves is noticed while there is nothing to say to it.
io::Task<> ZdsServer::read_packets(ZdsServer* self, Connection* connection) {
  std::array<std::uint8_t, zds::kMaxPacketBytes> buffer{};
  while (!connection->closed) {
    const auto packet = co_await io::recv_packet(connection->fd.get(), buffer, io::kNoDeadline);
    connection->closed = !packet || packet->size == 0 || packet->truncated;
    if (!connection->closed) {
      const auto bytes = std::as_bytes(std::span(buffer).first(packet->size));
      const auto understood = connection->zds.on_packet(bytes, io::Clock::now());
      if (!understood)
        log::warn("zds: ztunnel broke the protocol: {}", understood.error().to_string());
      connection->closed = !understood;
      connection->hello = connection->hello || understood.has_value();
      // A predecessor's late answer says nothing of the ztunnel that is served now.
      if (self->served_ == connection) self->report(*connection);
    }
    connection->changed.notify();
  }
}

void ZdsServer::report(const Connection& connection) {
  using PodState = zds::ServerConnection::PodState;
  for (const auto& [uid, pod] : connection.pods) {
    const auto status = connection.zds.status(uid);
    if (!status || status->state == PodState::kPending) continue;
    handover_.answered(
        uid, pod.netns_cookie,
        status->state == PodState::kAcked ? ZtunnelState::kAcked : ZtunnelState::kFailed,
        status->error);
  }
}

}  // namespace culvert::agent
