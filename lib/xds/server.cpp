// Two fibers a stream: one reads requests into the session, one writes what the session may send.
// Neither waits for the other, so that a client that is slow to read cannot keep its ACKs from us.
#include "culvert/xds/server.hpp"

#include <algorithm>

#include "culvert/xds/client.hpp"
#include "culvert/xds/limits.hpp"
#include "culvert/xds/session.hpp"

namespace culvert::xds {

using grpc::Status;
using grpc::StatusCode;

struct Server::Stream {
  grpc::ServerCall& call;
  Session session;
  io::Event wake;
  bool pending = false;  // the session may have something to send
  bool over = false;
  Status status;
  std::uint64_t counted_nacks = 0;

  void changed() {
    pending = true;
    wake.notify();
  }
  void end(Status why) {
    if (over) return;
    over = true;
    status = std::move(why);
    wake.notify();
  }
};

Server::Server(SightOf sight_of)
    : sight_of_(std::move(sight_of)), resources_(std::make_shared<const ResourceSet>()) {}
Server::~Server() {
  assert(streams_.empty() && "the gRPC servers end before the xDS server");
}

void Server::add_to(grpc::Server& server) {
  server.add(kDeltaMethod, *this, kMaxRequestBytes);
}

void Server::set_resources(ResourceSetPtr resources) {
  resources_ = std::move(resources);
  for (Stream* stream : streams_) {
    stream->session.update(resources_);
    stream->changed();
  }
}

io::Task<Status> Server::serve(grpc::ServerCall& call) {
  const auto same_peer = [&](const Stream* s) { return s->call.peer() == call.peer(); };
  if (std::ranges::count_if(streams_, same_peer) >=
      static_cast<std::ptrdiff_t>(kMaxStreamsPerNode)) {
    co_return Status{StatusCode::kResourceExhausted, "too many discovery streams of one node"};
  }
  Stream stream{call, Session(resources_, sight_of_ ? sight_of_(call.peer()) : Sight{})};
  const auto position = streams_.insert(streams_.end(), &stream);
  refresh(stream);
  io::Scope scope;
  scope.spawn(read_requests, this, &stream);
  co_await write_responses(stream);
  stream.end(call.status());
  scope.request_stop();
  co_await scope.join();
  ended(position);
  co_return stream.status;
}

io::Task<> Server::read_requests(Server* self, Stream* stream) {
  while (const auto message = co_await stream->call.read()) {
    const auto request = parse_delta_request(*message);
    const auto taken =
        request ? stream->session.receive(*request) : std::unexpected(request.error());
    if (!taken) {
      const bool limit = taken.error().code == ErrorCode::kLimit;
      stream->end({limit ? StatusCode::kResourceExhausted : StatusCode::kInvalidArgument,
                   taken.error().text});
      co_return;
    }
    self->refresh(*stream);
    stream->changed();
  }
  stream->end(stream->call.status());
}

io::Task<> Server::write_responses(Stream& stream) {
  while (!stream.over) {
    if (!std::exchange(stream.pending, false)) {
      if (!co_await stream.wake.wait(io::kNoDeadline)) co_return;
      continue;
    }
    for (const auto& response : stream.session.responses()) {
      if (!co_await stream.call.write(serialize(response))) co_return;
      nodes_[stream.call.peer()].resources_sent +=
          response.resources.size() + response.removed.size();
    }
    refresh(stream);  // what needed no response counts as acknowledged
  }
}

// A node whose ztunnel was upgraded has two streams, until the old one's last connection has ended:
// the newest one speaks, and a configuration is in force where all of them have it.
void Server::refresh(Stream& stream) {
  NodeStatus& node = nodes_[stream.call.peer()];
  if (stream.session.nacks() > stream.counted_nacks) {
    node.nacks +=
        stream.session.nacks() - std::exchange(stream.counted_nacks, stream.session.nacks());
    node.last_nack = stream.session.last_nack();
  }
  const auto newest =
      std::ranges::find_if(streams_.rbegin(), streams_.rend(),
                           [&](const Stream* s) { return s->call.peer() == stream.call.peer(); });
  node.connected = newest != streams_.rend();
  if (node.connected) {
    node.node_id = (*newest)->session.node_id();
    node.acked_generation = (*newest)->session.acked_generation();
    for (const Stream* other : streams_) {
      if (other->call.peer() != stream.call.peer()) continue;
      node.acked_generation = std::min(node.acked_generation, other->session.acked_generation());
    }
  }
  acked_.notify();
}

void Server::ended(std::list<Stream*>::iterator position) {
  Stream& stream = **position;
  streams_.erase(position);
  refresh(stream);
}

void Server::forget(const std::string& peer) {
  const auto found = nodes_.find(peer);
  if (found != nodes_.end() && !found->second.connected) nodes_.erase(found);
}

bool Server::everyone_has(std::uint64_t generation) const {
  return std::ranges::all_of(nodes_, [generation](const auto& node) {
    return !node.second.connected || node.second.acked_generation >= generation;
  });
}

io::Task<bool> Server::wait_acked(std::uint64_t generation, io::Deadline deadline) {
  while (!everyone_has(generation)) {
    if (!co_await acked_.wait(deadline)) co_return false;
  }
  co_return true;
}

}  // namespace culvert::xds
