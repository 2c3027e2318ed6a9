#include "network.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "sim_backend.hpp"

namespace culvert::sim {

Network* g_network = nullptr;

namespace {

std::uint64_t current_seed = 0;
constexpr std::uint16_t kBlockPort = 288;  // of a captured outbound connection

}  // namespace

void set_seed(std::uint64_t seed) {
  current_seed = seed;
}

void violation(const std::string& what) {
  std::fprintf(
      stderr, "violation: %s%s\nseed %llu: run it again with ./dev sim --seed %llu --trace\n",
      what.c_str(), g_network == nullptr ? "" : g_network->describe().c_str(),
      static_cast<unsigned long long>(current_seed), static_cast<unsigned long long>(current_seed));
  ::usleep(100'000);  // for the threads that write the access logs
  std::abort();
}

SocketPtr Network::make(Socket::Kind kind, int netns) {
  auto socket = std::make_shared<Socket>();
  socket->kind = kind;
  socket->netns = netns;
  socket->fd = next_fd_++;
  open_[socket->fd] = socket;
  return socket;
}

SocketPtr Network::find(int fd) {
  const auto found = open_.find(fd);
  if (found == open_.end()) violation("use of closed descriptor " + std::to_string(fd));
  return found->second;
}

std::vector<SocketPtr> Network::open_sockets() const {
  std::vector<SocketPtr> out;
  for (const auto& [fd, socket] : open_) out.push_back(socket);
  return out;
}

void Network::close(int fd) {
  const SocketPtr socket = find(fd);
  if (!socket->waiting.empty()) {
    violation("descriptor " + std::to_string(fd) + " closed under an operation");
  }
  open_.erase(fd);
  socket->on_change = nullptr;
  for (auto& queued : socket->backlog) {
    open_.erase(queued->fd);
    send_reset(*queued, false);
    queued->closed = true;
  }
  socket->backlog.clear();
  if (socket->connected && !socket->reset) {
    if (socket->reset_on_close || !socket->received.empty()) {
      send_reset(*socket, false);
    } else {
      shut_down_sending(*socket);
    }
  }
  socket->closed = true;
}

int Network::add_namespace(std::vector<IpAddress> addresses, bool captured) {
  namespaces_.push_back(
      {.addresses = std::move(addresses), .captured = captured, .applications = {}});
  return static_cast<int>(namespaces_.size()) - 1;
}

void Network::listen(int netns, std::uint16_t port, std::function<void(SocketPtr)> on_accept) {
  namespaces_[netns].applications[port] = std::move(on_accept);
}

std::optional<SocketAddress> Network::look_up(const std::string& path) const {
  const auto found = names_.find(path);
  if (found == names_.end()) return std::nullopt;
  found->second.second();
  return found->second.first;
}

bool Network::offers(const Slot& slot) const {
  const auto found = slots_.find(slot);
  const SocketPtr listener = found == slots_.end() ? nullptr : found->second.lock();
  return listener != nullptr && !listener->closed;
}

int Network::owner_of(const IpAddress& address) const {
  for (std::size_t i = 0; i < namespaces_.size(); ++i) {
    if (std::ranges::find(namespaces_[i].addresses, address) != namespaces_[i].addresses.end()) {
      return static_cast<int>(i);
    }
  }
  return -1;
}

SocketPtr Network::listener_of(int netns, bpf::ListenerKind kind, int family,
                               std::uint16_t source_port) {
  const auto found = slots_.find({netns, kind, family, source_port % bpf::kListenerSlots});
  const SocketPtr listener = found == slots_.end() ? nullptr : found->second.lock();
  return listener == nullptr || listener->closed ? nullptr : listener;
}

// The capture hooks as ztunnel sees them (docs/ARCHITECTURE.md).
Network::Arrival Network::steer(const Socket& from, SocketAddress to) {
  Arrival out{.local = to, .remote = from.local};
  const int target = owner_of(to.ip);
  const int family = to.family();
  if (target < 0 || (!from.ztunnel && target != from.netns && namespaces_[from.netns].captured)) {
    if (from.ztunnel || !namespaces_[from.netns].captured) return out;
    out.listener = listener_of(from.netns, bpf::ListenerKind::kOutbound, family, from.local.port);
    out.local = {from.local.ip, kBlockPort};
    out.original_destination = to;
    return out;
  }
  out.across = target != from.netns;
  if (out.across && namespaces_[target].captured) {
    const bool hbone = to.port == 15008;
    out.listener =
        listener_of(target, hbone ? bpf::ListenerKind::kHbone : bpf::ListenerKind::kPlaintext,
                    family, from.local.port);
    return out;
  }
  const auto& applications = namespaces_[target].applications;
  if (const auto found = applications.find(to.port); found != applications.end()) {
    out.application = found->second;
    if (from.shown_client) out.remote = *from.shown_client;
  }
  return out;
}

void Network::connect(const SocketPtr& socket, SocketAddress to, std::function<void(int)> outcome) {
  Namespace& home = namespaces_[socket->netns];
  socket->kind = Socket::Kind::kStream;
  socket->remote = to;
  socket->local.ip = home.addresses.front();
  for (const IpAddress& ip : home.addresses) {
    if (ip.is_v4() == to.ip.is_v4()) socket->local.ip = ip;
  }
  socket->local.port = home.next_port++;
  if (home.next_port < 32768) home.next_port = 32768;
  scheduler_.after(arrival_time(*socket, *socket, false), [this, socket, to, outcome] {
    if (socket->closed) return;
    const Arrival arrival = steer(*socket, to);
    const bool served = arrival.listener != nullptr || arrival.application != nullptr;
    if (served) establish(socket, arrival);
    const auto back = rng_.up_to(conditions_.max_delay);
    scheduler_.after(back, [socket, served, outcome] {
      if (socket->closed) return;
      outcome(served ? 0 : ECONNREFUSED);
    });
  });
}

void Network::establish(const SocketPtr& client, const Arrival& arrival) {
  const bool to_ztunnel = arrival.listener != nullptr;
  const int netns = to_ztunnel ? arrival.listener->netns : owner_of(arrival.local.ip);
  SocketPtr accepted = make(Socket::Kind::kStream, netns);
  accepted->ztunnel = to_ztunnel;
  accepted->local = arrival.local;
  accepted->remote = arrival.remote;
  accepted->original_destination = arrival.original_destination;
  accepted->connected = true;
  accepted->peer = client;
  client->peer = accepted;
  client->connected = true;
  if (to_ztunnel) {
    arrival.listener->backlog.push_back(accepted);
    changed(*arrival.listener);
  } else {
    scheduler_.after(Time{0}, [accepted, serve = arrival.application] { serve(accepted); });
  }
}

int Network::accept(Socket& listener, SocketPtr& accepted) {
  if (listener.backlog.empty()) return -EAGAIN;
  accepted = std::move(listener.backlog.front());
  listener.backlog.pop_front();
  return 0;
}

Time Network::arrival_time(Socket& from, const Socket& to, bool in_order) {
  Time at = scheduler_.now() + rng_.up_to(conditions_.max_delay);
  if (from.netns != to.netns) at = std::max(at, stalled_until_);
  if (in_order) at = from.last_arrival = std::max(at, from.last_arrival);
  return at - scheduler_.now();
}

ssize_t Network::receive(Socket& socket, std::span<std::uint8_t> into) {
  if (!socket.received.empty()) {
    const std::size_t most = 1 + rng_.skewed(conditions_.most_at_once - 1);
    const std::size_t count = std::min({into.size(), socket.received.size(), most});
    std::copy_n(socket.received.begin(), count, into.begin());
    socket.received.erase(0, count);
    if (const SocketPtr peer = socket.peer.lock()) {
      scheduler_.after(rng_.up_to(conditions_.max_delay), [this, peer] { changed(*peer); });
    }
    return static_cast<ssize_t>(count);
  }
  if (socket.error != 0) return -std::exchange(socket.error, 0);
  return socket.fin_received || socket.reset ? 0 : -EAGAIN;
}

ssize_t Network::send(Socket& socket, std::span<const std::uint8_t> bytes) {
  if (socket.error != 0) return -std::exchange(socket.error, 0);
  const SocketPtr peer = socket.peer.lock();
  if (socket.reset || socket.fin_sent || peer == nullptr) return -EPIPE;
  const std::size_t unread = peer->closed ? 0 : peer->received.size();
  const std::size_t full = unread + socket.on_the_way;
  if (full >= conditions_.window_bytes) return -EAGAIN;
  const std::size_t most = 1 + rng_.skewed(conditions_.most_at_once - 1);
  const std::size_t count = std::min({bytes.size(), conditions_.window_bytes - full, most});
  std::string part(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(count));
  if (wire_watcher_ && socket.netns != peer->netns) wire_watcher_(bytes.first(count));
  socket.on_the_way += count;
  socket.total_sent += count;
  const SocketPtr self = [&] {
    const auto found = open_.find(socket.fd);
    return found == open_.end() ? nullptr : found->second;
  }();
  scheduler_.after(arrival_time(socket, *peer, true), [this, self, peer, part = std::move(part)] {
    if (self != nullptr) self->on_the_way -= part.size();
    if (peer->reset) return;
    if (peer->closed) return send_reset(*peer, false);
    peer->received += part;
    changed(*peer);
  });
  return static_cast<ssize_t>(count);
}

void Network::shut_down_sending(Socket& socket) {
  const SocketPtr peer = socket.peer.lock();
  if (socket.fin_sent || socket.reset || peer == nullptr) return;
  socket.fin_sent = true;
  scheduler_.after(arrival_time(socket, *peer, true), [this, peer] {
    if (peer->reset || peer->closed) return;
    peer->fin_received = true;
    changed(*peer);
  });
}

// A reset may overtake what was sent before it: that is lost then.
void Network::send_reset(Socket& from, bool in_order) {
  const SocketPtr peer = from.peer.lock();
  if (peer == nullptr) return;
  from.reset = true;
  scheduler_.after(arrival_time(from, *peer, in_order), [this, peer] { reset_arrives(*peer); });
}

void Network::reset_arrives(Socket& to) {
  if (to.reset || to.closed) return;
  to.reset = true;
  to.error = to.fin_received ? EPIPE : ECONNRESET;  // tcp_reset() in Linux
  changed(to);
}

void Network::cut(const SocketPtr& socket) {
  const SocketPtr peer = socket->peer.lock();
  reset_arrives(*socket);
  if (peer != nullptr) reset_arrives(*peer);
}

std::string Network::describe() const {
  std::string out;
  for (const auto& [fd, s] : open_) {
    if (s->kind != Socket::Kind::kStream) continue;
    out += fmt::format("\n  {} {} {} -> {}: {} unread, {} on the way, {} waiting{}{}{}{}{}", fd,
                       s->ztunnel ? "ztunnel" : "application", s->local.to_string(),
                       s->remote.to_string(), s->received.size(), s->on_the_way, s->waiting.size(),
                       s->connected ? "" : ", connecting", s->fin_sent ? ", FIN sent" : "",
                       s->fin_received ? ", FIN received" : "", s->reset ? ", reset" : "",
                       s->peer.expired() ? ", peer gone" : "");
  }
  return out;
}

void Network::changed(Socket& socket) {
  if (socket.on_change) socket.on_change();
  const auto waiting = std::exchange(socket.waiting, {});
  for (const Waiting& one : waiting) one.backend->retry(*one.request);
}

}  // namespace culvert::sim
