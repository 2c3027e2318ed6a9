// One Unix socket (0600) for each Node object; it comes and goes with the object. Which socket a
// connection came in on is which node it is: file permissions authenticate it. Loop thread.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "culvert/base/error.hpp"
#include "culvert/base/fd.hpp"
#include "culvert/grpc/server.hpp"
#include "culvert/io/scope.hpp"

namespace culvert::control {

inline constexpr std::size_t kMaxConnectionsPerNode = 16;
inline constexpr int kNodeBacklog = 16;

class NodeSockets {
 public:
  /// `server` and `fibers` outlive it; every fiber of a node is a child of `fibers`.
  NodeSockets(std::string folder, grpc::Server& server, io::Scope& fibers);
  /// After its fibers have ended.
  ~NodeSockets();

  /// Opens the sockets that are missing, and closes those of other nodes with their connections.
  void set_nodes(std::set<std::string> nodes);
  /// Why a node has no socket; empty when it has one.
  std::string error_of(const std::string& node) const;
  /// Removes what a killed predecessor left: *.sock files that nobody listens on. Looks several
  /// times, because the kernel lets go of a killed process's listeners a moment later.
  io::Task<> remove_stale();

 private:
  struct Node;
  void reconcile();
  void remove_unanswered() const;
  Result<void> open(const std::string& name);
  static io::Task<> own(NodeSockets* self, Node* node);
  static io::Task<> accept_connections(NodeSockets* self, Node* node);
  static io::Task<> serve(NodeSockets* self, Node* node, int fd);
  std::string path_of(const std::string& node) const { return folder_ + "/" + node + ".sock"; }

  const std::string folder_;
  grpc::Server& server_;
  io::Scope& fibers_;
  std::set<std::string> wanted_;
  std::map<std::string, std::unique_ptr<Node>> nodes_;
  std::map<std::string, std::string> errors_;
};

}  // namespace culvert::control
