// One CONNECT of a tunnel that arrived, from its header block to the end of its stream.
#include <memory>
#include <optional>
#include <utility>

#include "culvert/hbone/headers.hpp"
#include "culvert/mesh/policy.hpp"
#include "culvert/proxy/stream_bytes.hpp"
#include "culvert/proxy/stream_end.hpp"
#include "culvert/proxy/workload_headers.hpp"
#include "waypoint/entry/arrival.hpp"
#include "waypoint/entry/first_bytes.hpp"
#include "waypoint/entry/pass_tcp.hpp"
#include "waypoint/entry/protocol.hpp"
#include "waypoint/entry/serve_http.hpp"
#include "waypoint/entry/target.hpp"
#include "waypoint/entry/tunnel.hpp"
#include "waypoint/worker/worker.hpp"

namespace culvert::waypoint {

using io::Task;

namespace {

void answer(h2::Stream& stream, int status) {
  (void)stream.send_headers(hbone::build_response({status, {}}), status != 200);
}

// The client's address counts only when it is of the workload that the tunnel comes from: the
// header informs, the network and the certificate decide. Its port is worth showing, the tunnel's
// is not; and a ztunnel may come by the other family.
Client client_of(const ArrivedTunnel& tunnel, const hbone::ConnectRequest& request) {
  Worker& worker = *tunnel.worker;
  const auto at = [&](const IpAddress& ip) {
    auto found = worker.view()->mesh->workload_at({worker.settings().network, ip});
    return found != nullptr && found->identity() == tunnel.peer_identity ? found : nullptr;
  };
  Client out;
  out.identity = tunnel.peer_identity;
  out.address = tunnel.peer;
  out.workload = at(tunnel.peer.ip);
  const auto claimed = request.forwarded ? request.forwarded->source : std::nullopt;
  if (!claimed || claimed->port == 0) return out;
  const auto there = at(claimed->ip);
  const bool same = there != nullptr && out.workload != nullptr && there->uid == out.workload->uid;
  if (same || claimed->ip == tunnel.peer.ip) out.address = *claimed;
  return out;
}

void fill_record(telemetry::ConnectionRecord& record, Worker& worker, const ArrivedTunnel& tunnel,
                 const Arrival& arrival) {
  const auto& client = arrival.client;
  record.mutual_tls = true;
  record.source_address = client.address;
  record.destination_address = arrival.destination;
  record.hbone_address = arrival.destination;
  record.source = client.workload != nullptr
                      ? worker.parties().of(client.workload, tunnel.certificate.identity)
                      : telemetry::Shared<telemetry::Party>(
                            telemetry::Party{.namespace_name = tunnel.peer_identity.ns,
                                             .identity = tunnel.certificate.identity});
  if (arrival.service != nullptr) record.service = worker.parties().of(arrival.service);
  if (arrival.workload != nullptr) record.destination = worker.parties().of(arrival.workload);
}

struct Refused {
  int status;
  Error error;
};

// Who asks for what.
Task<std::expected<std::unique_ptr<Arrival>, Refused>> read_arrival(const ArrivedTunnel* tunnel,
                                                                    h2::Stream* stream,
                                                                    proxy::Report* report) {
  Worker& worker = *tunnel->worker;
  const auto self = co_await worker.self(io::in(kSelfWait));
  if (!self) co_return std::unexpected(Refused{503, self.error()});
  const auto request = hbone::parse_connect(stream->request());
  stream->forget_headers();
  if (!request) co_return std::unexpected(Refused{400, request.error()});
  auto arrival = std::make_unique<Arrival>();
  arrival->client = client_of(*tunnel, *request);
  arrival->gateway = l7::kMesh;
  report->record.trace = proxy::trace_of(request->traceparent);
  auto target =
      find_target(*worker.view()->mesh, **self, request->authority, arrival->client.identity->ns);
  if (!target) co_return std::unexpected(Refused{400, target.error()});
  arrival->service = std::move(target->service);
  arrival->workload = std::move(target->workload);
  arrival->destination = target->destination;
  fill_record(report->record, worker, *tunnel, *arrival);
  co_return arrival;
}

// What the client speaks, with what was read to learn it. The stream has been answered. Who must
// speak first may take his time, but not while we drain.
Task<Result<FirstBytes>> learn_protocol(const Worker* worker, h2::Stream* stream,
                                        mesh::AppProtocol declared) {
  proxy::StreamEnd end(*stream);
  FirstBytes out;
  const bool patient = client_speaks_first(declared);
  while (true) {
    auto read =
        co_await read_first_bytes(&end, &out, io::in(patient ? kLameDuck : kFirstBytesWait));
    if (!read) co_return std::unexpected(read.error());
    const bool silent = out.speaks == http::Detected::kMore && !out.ended;
    if (!silent || !patient) co_return out;
    if (worker->draining()) co_return fail(ErrorCode::kClosed, "drained before the first request");
  }
}

/// One CONNECT that was let in, while it is served.
struct Served {
  Worker* worker;
  const ArrivedTunnel* tunnel;
  const Arrival* arrival;
  h2::Stream* stream;
  proxy::Report* report;
};

// The application is reached first where the client need not be heard: so that it learns at once
// when there is none. What comes back is HTTP that the client spoke after all.
Task<FirstBytes> serve_tcp(const Served* served, bool answered, FirstBytes first) {
  auto& [worker, tunnel, arrival, stream, report] = *served;
  proxy::LiveEntry live(worker->live(), *report, proxy::Path::kWaypoint);
  live.peer_certificate = &tunnel->certificate.sha256;
  live.network_fd = tunnel->fd;
  auto upstream = co_await open_tcp(worker, arrival, report);
  if (!upstream || live.was_cut()) {
    answered ? stream->reset(h2::kConnectError) : answer(*stream, 503);
    upstream ? live.tell(*report, std::nullopt) : report->fail(upstream.error());
    co_return FirstBytes{};
  }
  if (!answered) answer(*stream, 200);
  if (answered && first.bytes.empty() && !first.ended) {
    co_return co_await relay_undecided(stream, std::move(*upstream), report, &live);
  }
  co_await relay_tcp(stream, std::move(first.bytes), std::move(*upstream), report, &live);
  co_return FirstBytes{};
}

// In the scope from where the connection can be cut. Its requests report for themselves.
Task<> serve_requests(const Served* served, Speaks speaks, std::string first) {
  proxy::LiveEntry live(served->worker->live(), *served->report, proxy::Path::kWaypoint);
  live.peer_certificate = &served->tunnel->certificate.sha256;
  live.network_fd = served->tunnel->fd;
  std::unique_ptr<io::ByteStream> bytes = std::make_unique<ReadBytes>(
      std::move(first), std::make_unique<proxy::StreamBytes>(std::move(*served->stream)));
  live.scope.spawn(
      [](Worker* w, const Arrival* a, HttpVersion v, std::unique_ptr<io::ByteStream> b) -> Task<> {
        (void)co_await serve_http(w, a, v, std::move(b));
      },
      served->worker, served->arrival, version_of(speaks), std::move(bytes));
  co_await live.scope.join();
  served->report->dismiss();
}

}  // namespace

io::Scope::Child serve_connect(const ArrivedTunnel* tunnel, h2::Stream stream) {
  Worker& worker = *tunnel->worker;
  proxy::Report report(worker.reporter(), telemetry::Direction::kInbound);
  report.record.source_address = tunnel->peer;
  const auto arrival = co_await read_arrival(tunnel, &stream, &report);
  if (!arrival) {
    answer(stream, arrival.error().status);
    co_return report.fail(arrival.error().error);
  }
  const auto verdict = worker.authorize(
      {tunnel->peer_identity, (*arrival)->client.address.ip, (*arrival)->destination});
  if (!verdict.allowed) {
    answer(stream, 401);
    co_return report.deny(verdict);
  }

  const Served served{&worker, tunnel, arrival->get(), &stream, &report};
  const auto declared = declared_at(**arrival);
  const bool asks = asks_first_bytes(declared);
  FirstBytes first;
  if (asks) {
    answer(stream, 200);
    auto learned = co_await learn_protocol(&worker, &stream, declared);
    if (!learned) co_return report.fail(learned.error());
    first = std::move(*learned);
  }
  auto speaks = decide_protocol(declared, first.speaks);
  if (speaks == Speaks::kTcp) {
    first = co_await serve_tcp(&served, asks, std::move(first));
    if (first.speaks == http::Detected::kMore) co_return;
    speaks = decide_protocol(declared, first.speaks);
  }
  co_await serve_requests(&served, speaks, std::move(first.bytes));
}

}  // namespace culvert::waypoint
