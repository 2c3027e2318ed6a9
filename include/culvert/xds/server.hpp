// Server: delta xDS as a method of a gRPC server; one Session a stream. Loop thread. Who is calling
// is the connection's peer (grpc::Server::serve), e.g. the node whose Unix socket it came by, never
// what the client says of itself.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <string>

#include "culvert/grpc/server.hpp"
#include "culvert/io/event.hpp"
#include "culvert/xds/resource_set.hpp"
#include "culvert/xds/session.hpp"

namespace culvert::xds {

struct NodeStatus {
  bool connected = false;
  std::string node_id;                 // the client's own words
  std::uint64_t acked_generation = 0;  // that all of its streams have
  std::uint64_t nacks = 0;             // over all its streams
  std::uint64_t resources_sent = 0;    // over all its streams; a removal is one too
  std::string last_nack;               // the client's own words; empty: none yet
};

class Server final : public grpc::Method {
 public:
  using SightOf = std::function<Sight(const std::string& peer)>;

  /// `sight_of`: what a peer is shown; null: everything.
  explicit Server(SightOf sight_of = nullptr);
  /// Its gRPC servers have ended.
  ~Server();

  /// Serves DeltaAggregatedResources on `server`, which this outlives.
  void add_to(grpc::Server& server);

  /// From now on every stream moves to this set; only differences are sent.
  void set_resources(ResourceSetPtr resources);
  const ResourceSetPtr& resources() const { return resources_; }

  /// By peer: everyone who ever opened a stream and was not forgotten.
  const std::map<std::string, NodeStatus>& nodes() const { return nodes_; }
  /// Forgets a peer that is not connected, e.g. a node that was deleted.
  void forget(const std::string& peer);
  /// Waits until every connected node has acknowledged `generation` or a newer one. false: the
  /// deadline passed, or the fiber was stopped.
  io::Task<bool> wait_acked(std::uint64_t generation, io::Deadline deadline);

  io::Task<grpc::Status> serve(grpc::ServerCall& call) override;

 private:
  struct Stream;
  static io::Task<> read_requests(Server* self, Stream* stream);
  io::Task<> write_responses(Stream& stream);
  void refresh(Stream& stream);
  void ended(std::list<Stream*>::iterator position);
  bool everyone_has(std::uint64_t generation) const;

  const SightOf sight_of_;
  ResourceSetPtr resources_;
  std::list<Stream*> streams_;  // oldest first
  std::map<std::string, NodeStatus> nodes_;
  io::Event acked_;
};

}  // namespace culvert::xds
