#include "node_sockets.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>

#include "culvert/base/log.hpp"
#include "culvert/base/unix_socket.hpp"
#include "culvert/io/byte_stream.hpp"
#include "culvert/io/event.hpp"
#include "culvert/io/socket.hpp"

namespace culvert::control {

struct NodeSockets::Node {
  std::string name;
  UniqueFd listener;
  io::Scope fibers;  // the accepting one and one a connection
};

NodeSockets::NodeSockets(std::string folder, grpc::Server& server, io::Scope& fibers)
    : folder_(std::move(folder)), server_(server), fibers_(fibers) {}

NodeSockets::~NodeSockets() = default;

void NodeSockets::set_nodes(std::set<std::string> nodes) {
  wanted_ = std::move(nodes);
  reconcile();
}

// A node that is ending is opened again, if it is wanted again, when it has ended.
void NodeSockets::reconcile() {
  std::erase_if(errors_, [&](const auto& entry) { return !wanted_.contains(entry.first); });
  for (auto& [name, node] : nodes_) {
    if (!wanted_.contains(name)) node->fibers.request_stop();
  }
  for (const std::string& name : wanted_) {
    if (nodes_.contains(name)) continue;
    const auto opened = open(name);
    if (opened) {
      errors_.erase(name);
      continue;
    }
    std::string text = path_of(name) + ": " + opened.error().to_string();
    if (errors_[name] != text) log::error("node {} cannot be served: {}", name, text);
    errors_[name] = std::move(text);
  }
}

Result<void> NodeSockets::open(const std::string& name) {
  if (name.empty() || name.front() == '.' || name.find('/') != std::string::npos) {
    return fail(ErrorCode::kInvalid, "the node's name is no file name");
  }
  auto listener = listen_unix(path_of(name), SOCK_STREAM, kNodeBacklog);
  if (!listener) return std::unexpected(listener.error());
  auto node = std::make_unique<Node>();
  node->name = name;
  node->listener = std::move(*listener);
  node->fibers.spawn(&NodeSockets::accept_connections, this, node.get());
  fibers_.spawn(&NodeSockets::own, this, node.get());
  nodes_[name] = std::move(node);
  log::info("node {} is served on {}", name, path_of(name));
  return {};
}

io::Task<> NodeSockets::own(NodeSockets* self, Node* node) {
  co_await node->fibers.join();
  node->listener.reset();
  ::unlink(self->path_of(node->name).c_str());
  log::info("node {} is served no more", node->name);
  self->nodes_.erase(node->name);
  if (!self->fibers_.stopping()) self->reconcile();
}

io::Task<> NodeSockets::accept_connections(NodeSockets* self, Node* node) {
  while (true) {
    auto accepted = co_await io::accept(node->listener.get());
    if (!accepted && accepted.error().code == ErrorCode::kCancelled) co_return;
    if (!accepted) {
      log::warn("node {}: {}", node->name, accepted.error().to_string());
      if (!co_await io::sleep_until(io::in(std::chrono::milliseconds(100)))) co_return;
      continue;
    }
    if (node->fibers.size() > kMaxConnectionsPerNode) {
      log::warn("node {}: a connection is turned away, {} are open", node->name,
                kMaxConnectionsPerNode);
      continue;
    }
    if (!node->fibers.stopping())
      node->fibers.spawn(&NodeSockets::serve, self, node, accepted->fd.release());
  }
}

io::Task<> NodeSockets::serve(NodeSockets* self, Node* node, int fd) {
  auto stream = std::make_unique<io::FdStream>(UniqueFd(fd));
  const auto ended = co_await self->server_.serve(std::move(stream), node->name);
  if (!ended) log::debug("node {}: {}", node->name, ended.error().to_string());
}

std::string NodeSockets::error_of(const std::string& node) const {
  const auto found = errors_.find(node);
  return found == errors_.end() ? "" : found->second;
}

io::Task<> NodeSockets::remove_stale() {
  for (const int delay_ms : {0, 200, 1000, 5000}) {
    if (!co_await io::sleep_until(io::in(std::chrono::milliseconds(delay_ms)))) co_return;
    remove_unanswered();
  }
}

void NodeSockets::remove_unanswered() const {
  std::error_code problem;
  for (const auto& entry : std::filesystem::directory_iterator(folder_, problem)) {
    const std::string path = entry.path().string();
    if (entry.path().extension() != ".sock" || !entry.is_socket(problem)) continue;
    const auto answer = connect_unix(path, SOCK_STREAM | SOCK_NONBLOCK);
    if (!answer && answer.error().code == ErrorCode::kRefused) ::unlink(path.c_str());
  }
}

}  // namespace culvert::control
