// What must hold in every simulated run, read plainly from what the applications saw.
#include <algorithm>

#include "scenario.hpp"

namespace culvert::sim {

// A connection of a pod outside the mesh has no identity: an ALLOW rule does not let it in, and a
// DENY rule for an account does not mean it.
bool Scenario::may_connect(const Call& call, std::size_t server_pod,
                           const std::optional<Rule>& rule) const {
  if (!rule || rule->pod != server_pod || !pods_[server_pod].meshed) return true;
  const PodSpec& client = pods_[call.client_pod];
  const bool named = client.meshed && client.account == rule->account;
  return rule->deny ? !named : named;
}

// Allowed by a version of the mesh that was in force at some moment of its making.
void Scenario::check_admission(const Call& call, std::size_t server_pod) const {
  for (std::size_t i = 0; i < versions_.size(); ++i) {
    const bool replaced_before =
        i + 1 < versions_.size() && versions_[i + 1].published < call.start;
    if (!replaced_before && may_connect(call, server_pod, versions_[i].rule)) return;
  }
  violation("a refused connection reached the application of pod" + std::to_string(server_pod));
}

// What a new policy refuses does not live on.
void Scenario::check_open_calls(std::size_t version) const {
  if (version + 1 != versions_.size() || scheduler_.now() < network_.stalled_until()) return;
  for (const auto& call : calls_) {
    const bool open = call->accepted && !call->client->over() && !call->server->over();
    if (open && !may_connect(*call, call->accepted_by, versions_[version].rule)) {
      violation("a connection outlives a policy that refuses it: " + call->client->describe());
    }
  }
}

void Scenario::check_call(const Call& call) const {
  const std::string what = call.client->describe() + "; " + call.server->describe();
  if (!call.client->over()) violation("a connection hangs at the client: " + what);
  if (call.accepted && !call.server->over()) violation("a connection hangs at the server: " + what);
  check_ends(call, *call.client, *call.server);
  check_ends(call, *call.server, *call.client);
  if (calm_ && call.start > kPodsWithin) check_complete(call);
}

// A cut is never taken for an end: who read an end of stream has everything that the other sent
// before it ended in order.
void Scenario::check_ends(const Call& call, const Endpoint& reader, const Endpoint& writer) const {
  if (!reader.saw_end()) return;
  if (writer.finished() && writer.sent() == reader.received()) return;
  violation("an end of stream that was none: " + call.client->describe() + "; " +
            call.server->describe());
}

// Nothing went wrong: what policy allows completes, and what it refuses does not begin.
void Scenario::check_complete(const Call& call) const {
  const auto& rule = versions_.back().rule;
  const auto allowed = [&](std::size_t pod) { return may_connect(call, pod, rule); };
  bool some = allowed(call.server_pod), all = some;
  if (call.by_service) {
    some = all = allowed(0);
    for (std::size_t pod = 1; pod < pods_.size(); ++pod) {
      some = some || allowed(pod);
      all = all && allowed(pod);
    }
  }
  if (!some && call.accepted) violation("a connection was let in that no pod allows");
  if (!all) return;
  const Endpoint& client = *call.client;
  const Endpoint& server = *call.server;
  const auto patient = [](const Endpoint& end) {
    return end.plan().end == Plan::End::kFinish || end.plan().end == Plan::End::kAfterPeer;
  };
  const std::string what = client.describe() + "; " + server.describe();
  if (!call.accepted) violation("an allowed connection was not made: " + what);
  if (!patient(client) || !patient(server)) return;
  const bool complete = client.received() == server.plan().bytes &&
                        server.received() == client.plan().bytes && client.saw_end() &&
                        server.saw_end() && !client.saw_reset() && !server.saw_reset();
  if (!complete) violation("a connection did not complete: " + what);
}

void Scenario::check_nothing_left() const {
  for (const auto& node : nodes_) {
    if (node->open_connections() != 0) violation("a worker still counts connections");
    if (node->budget_used() != 0) violation("bytes are still charged to the budget");
  }
  for (const SocketPtr& socket : network_.open_sockets()) {
    if (socket->kind == Socket::Kind::kStream || socket->kind == Socket::Kind::kFresh) {
      violation("a stream is still open: " + socket->local.to_string() + " to " +
                socket->remote.to_string());
    }
  }
}

}  // namespace culvert::sim
