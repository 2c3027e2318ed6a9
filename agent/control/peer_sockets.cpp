#include "peer_sockets.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "culvert/base/log.hpp"
#include "culvert/base/unix_socket.hpp"
#include "culvert/io/byte_stream.hpp"
#include "culvert/io/event.hpp"
#include "culvert/io/socket.hpp"
#include "peers.hpp"

namespace culvert::control {

struct PeerSockets::Peer {
  std::string name;
  UniqueFd listener;
  io::Scope fibers;  // the accepting one and one a connection
};

PeerSockets::PeerSockets(std::string folder, grpc::Server& server, io::Scope& fibers)
    : folder_(std::move(folder)), server_(server), fibers_(fibers) {}

PeerSockets::~PeerSockets() = default;

void PeerSockets::set_peers(std::set<std::string> peers) {
  wanted_ = std::move(peers);
  reconcile();
}

// A peer that is ending is opened again, if it is wanted again, when it has ended.
void PeerSockets::reconcile() {
  std::erase_if(errors_, [&](const auto& entry) { return !wanted_.contains(entry.first); });
  for (auto& [name, peer] : peers_) {
    if (!wanted_.contains(name)) peer->fibers.request_stop();
  }
  for (const std::string& name : wanted_) {
    if (peers_.contains(name)) continue;
    const auto opened = open(name);
    if (opened) {
      errors_.erase(name);
      continue;
    }
    std::string text = socket_path(folder_, name) + ": " + opened.error().to_string();
    if (errors_[name] != text) log::error("{} cannot be served: {}", in_words(name), text);
    errors_[name] = std::move(text);
  }
}

Result<void> PeerSockets::open(const std::string& name) {
  const std::string path = socket_path(folder_, name);
  const std::string_view file = is_proxy(name) ? pod_of(name) : std::string_view(name);
  const auto slashes = std::ranges::count(file, '/');
  if (file.empty() || file.front() == '.' || slashes != (is_proxy(name) ? 1 : 0)) {
    return fail(ErrorCode::kInvalid, "the name is no file name");
  }
  if (is_proxy(name)) {
    if (auto made = make_dirs(path.substr(0, path.rfind('/')), 0700); !made) return made;
  }
  auto listener = listen_unix(path, SOCK_STREAM, kPeerBacklog);
  if (!listener) return std::unexpected(listener.error());
  auto peer = std::make_unique<Peer>();
  peer->name = name;
  peer->listener = std::move(*listener);
  peer->fibers.spawn(&PeerSockets::accept_connections, this, peer.get());
  fibers_.spawn(&PeerSockets::own, this, peer.get());
  peers_[name] = std::move(peer);
  log::info("{} is served on {}", in_words(name), path);
  return {};
}

io::Task<> PeerSockets::own(PeerSockets* self, Peer* peer) {
  co_await peer->fibers.join();
  peer->listener.reset();
  ::unlink(socket_path(self->folder_, peer->name).c_str());
  log::info("{} is served no more", in_words(peer->name));
  self->peers_.erase(peer->name);
  if (!self->fibers_.stopping()) self->reconcile();
}

io::Task<> PeerSockets::accept_connections(PeerSockets* self, Peer* peer) {
  while (true) {
    auto accepted = co_await io::accept(peer->listener.get());
    if (!accepted && accepted.error().code == ErrorCode::kCancelled) co_return;
    if (!accepted) {
      log::warn("{}: {}", in_words(peer->name), accepted.error().to_string());
      if (!co_await io::sleep_until(io::in(std::chrono::milliseconds(100)))) co_return;
      continue;
    }
    if (peer->fibers.size() > kMaxConnectionsPerPeer) {
      log::warn("{}: a connection is turned away, {} are open", in_words(peer->name),
                kMaxConnectionsPerPeer);
      continue;
    }
    if (!peer->fibers.stopping())
      peer->fibers.spawn(&PeerSockets::serve, self, peer, accepted->fd.release());
  }
}

io::Task<> PeerSockets::serve(PeerSockets* self, Peer* peer, int fd) {
  auto stream = std::make_unique<io::FdStream>(UniqueFd(fd));
  const auto ended = co_await self->server_.serve(std::move(stream), peer->name);
  if (!ended) log::debug("{}: {}", in_words(peer->name), ended.error().to_string());
}

std::string PeerSockets::error_of(const std::string& peer) const {
  const auto found = errors_.find(peer);
  return found == errors_.end() ? "" : found->second;
}

io::Task<> PeerSockets::remove_stale() {
  for (const int delay_ms : {0, 200, 1000, 5000}) {
    if (!co_await io::sleep_until(io::in(std::chrono::milliseconds(delay_ms)))) co_return;
    remove_unanswered();
  }
}

void PeerSockets::remove_unanswered() const {
  std::error_code problem;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_, problem)) {
    const std::string path = entry.path().string();
    if (entry.path().extension() != ".sock" || !entry.is_socket(problem)) continue;
    const auto answer = connect_unix(path, SOCK_STREAM | SOCK_NONBLOCK);
    if (!answer && answer.error().code == ErrorCode::kRefused) ::unlink(path.c_str());
  }
}

}  // namespace culvert::control
