// TCP that is passed through: the endpoint is resolved, reached, and joined with the client.
#pragma once

#include <memory>
#include <string>

#include "culvert/h2/stream.hpp"
#include "culvert/io/task.hpp"
#include "culvert/proxy/live_connections.hpp"
#include "culvert/proxy/reporter.hpp"
#include "culvert/tls/session.hpp"
#include "waypoint/entry/arrival.hpp"
#include "waypoint/entry/first_bytes.hpp"
#include "waypoint/entry/tcp_place.hpp"
#include "waypoint/upstream/tunnel_dialer.hpp"

namespace culvert::waypoint {

class Worker;

/// Reaches the next endpoint of the service as its DestinationRule says (loadBalancer, outlier
/// detection, connectionPool.tcp), or the addressed workload, and fills the record with where it
/// went, and with Envoy's flag of why it went nowhere. `place` lives as long as the connection.
/// Errors: kNoUpstream (no healthy endpoint, or the rule was refused), kLimit (maxConnections are
/// open), kInvalid, TunnelDialer::open()'s.
io::Task<Result<Upstream>> open_tcp(Worker* worker, const Arrival* arrival, proxy::Report* report,
                                    TcpPlace* place);

/// Joins the client's stream, of which `first` was read before, with the upstream until both have
/// ended, and ends the report.
io::Task<> relay_tcp(h2::Stream* client, std::string first, Upstream upstream,
                     proxy::Report* report, proxy::LiveEntry* live);

/// A client of whom nobody said what it speaks, nor has it in time. `first`: what it said.
struct Undecided {
  Turned turned = Turned::kNot;
  FirstBytes first;
};

/// The same for such a client. If it is HTTP after all (UndecidedEnd), the upstream is given up,
/// and the client is left as it is.
io::Task<Undecided> relay_undecided(h2::Stream* client, std::string first, Upstream upstream,
                                    proxy::Report* report, proxy::LiveEntry* live);

}  // namespace culvert::waypoint
