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

// Registered before it is decided about, so that no change of a policy is missed.
mesh::Verdict let_in(const ArrivedTunnel& tunnel, const Arrival& arrival, proxy::LiveEntry& live) {
  live.peer_certificate = &tunnel.certificate.sha256;
  live.network_fd = tunnel.fd;
  return tunnel.worker->authorize(live, &tunnel.peer_identity, arrival.client.address.ip,
                                  arrival.destination);
}

/// One CONNECT that was let in, while it is served.
struct Served {
  Worker* worker;
  const ArrivedTunnel* tunnel;
  const Arrival* arrival;
  h2::Stream* stream;
  proxy::Report* report;
  proxy::LiveEntry* live;
};

// What the client speaks, with what was read to learn it, behind `out`. The stream has been
// answered. Who must speak first may take his time before he does, but not while we drain; with a
// head that has begun he has as long as whoever serves it would give, and whoever serves it says
// so.
Task<Result<FirstBytes>> learn_protocol(const Served* served, mesh::AppProtocol declared,
                                        FirstBytes out) {
  proxy::StreamEnd end(*served->stream);
  const bool patient = client_speaks_first(declared);
  const auto& limits = served->worker->server_options();
  const auto idle_until = io::in(limits.idle_timeout);
  io::Deadline begun_until = io::kNoDeadline;
  while (true) {
    auto read =
        co_await read_first_bytes(&end, &out, io::in(patient ? kLameDuck : kFirstBytesWait));
    if (!read) co_return std::unexpected(read.error());
    if (served->live->was_cut()) co_return fail(ErrorCode::kCancelled, "cut while it was silent");
    if (out.speaks != http::Detected::kMore || out.ended) co_return out;
    if (!patient) co_return out;
    const auto now = served->worker->loop().now();
    const bool draining = served->worker->draining();
    if (!out.bytes.empty()) {
      if (begun_until == io::kNoDeadline) begun_until = now + limits.head_timeout;
      if (draining || now >= begun_until) co_return out;
    } else if (draining || now >= idle_until) {
      co_return fail(ErrorCode::kClosed, "no first request came in time");
    }
  }
}

class StopWhenCut final : private h2::Cuttable {
 public:
  StopWhenCut(h2::Stream& stream, io::Scope& scope) : stream_(stream), scope_(scope) {
    stream_.on_cut(this);
  }
  ~StopWhenCut() { stream_.on_cut(nullptr); }
  StopWhenCut(const StopWhenCut&) = delete;
  StopWhenCut& operator=(const StopWhenCut&) = delete;

 private:
  void cut() override { scope_.request_stop(); }

  h2::Stream& stream_;
  io::Scope& scope_;
};

// In the scope from where the connection can be cut, and no longer than the client is there: what
// nobody waits for must not take the place of others until its time is up.
Task<Result<Upstream>> open_while_wanted(const Served* served, TcpPlace* place) {
  h2::Stream& stream = *served->stream;
  io::Scope& scope = served->live->scope;
  constexpr Error kGone{ErrorCode::kReset, Origin::kClient, 0, "the client went away"};
  if (stream.closed()) co_return std::unexpected(kGone);
  Result<Upstream> opened = fail(ErrorCode::kCancelled, "cut while it was opened");
  const StopWhenCut told(stream, scope);
  scope.spawn(
      [](const Served* of, TcpPlace* at, Result<Upstream>* out) -> Task<> {
        *out = co_await open_tcp(of->worker, of->arrival, of->report, at);
      },
      served, place, &opened);
  co_await scope.join();
  if (stream.closed()) co_return std::unexpected(kGone);
  co_return opened;
}

// The application is reached first where the client need not be heard: so that it learns at once
// when there is none. What comes back is HTTP that the client speaks after all.
Task<Undecided> serve_tcp(const Served* served, bool answered, FirstBytes first) {
  auto& [worker, tunnel, arrival, stream, report, live] = *served;
  TcpPlace place;
  auto upstream = co_await open_while_wanted(served, &place);
  if (!upstream || live->was_cut()) {
    const int status = live->cut == proxy::Cut::kPolicy ? 401 : 503;
    answered ? stream->reset(h2::kConnectError) : answer(*stream, status);
    live->tell(*report, upstream ? std::nullopt : std::optional(upstream.error()));
    co_return Undecided{};
  }
  if (!answered) answer(*stream, 200);
  place.watch(worker->live(), *live);
  if (answered && first.speaks == http::Detected::kMore && !first.ended) {
    co_return co_await relay_undecided(stream, std::move(first.bytes), std::move(*upstream), report,
                                       live);
  }
  co_await relay_tcp(stream, std::move(first.bytes), std::move(*upstream), report, live);
  co_return Undecided{};
}

// In the scope from where the connection can be cut. Its requests report for themselves.
Task<> serve_requests(const Served* served, Speaks speaks, std::string first) {
  proxy::LiveEntry& live = *served->live;
  std::unique_ptr<io::ByteStream> bytes = std::make_unique<ReadBytes>(
      std::move(first), std::make_unique<proxy::StreamBytes>(std::move(*served->stream)));
  live.scope.spawn(
      [](Worker* w, const Arrival* a, HttpVersion v, std::unique_ptr<io::ByteStream> b) -> Task<> {
        (void)co_await serve_http(w, a, v, std::move(b));
      },
      served->worker, served->arrival, version_of(speaks), std::move(bytes));
  co_await live.scope.join();
  if (live.was_cut()) co_return live.tell(*served->report, std::nullopt);
  served->report->dismiss();
}

// Of a client that was joined with its server before it was known to speak HTTP: that was one
// connection, which has ended, and this is another. Where the server has said that it is HTTP/2,
// that is as good as a declaration.
Task<> serve_late_requests(const Served* earlier, Undecided late) {
  const ArrivedTunnel& tunnel = *earlier->tunnel;
  proxy::Report report(earlier->worker->reporter(), telemetry::Direction::kWaypoint);
  report.record.trace = earlier->report->record.trace;
  fill_record(report.record, *earlier->worker, tunnel, *earlier->arrival);
  proxy::LiveEntry live(earlier->worker->live(), report, proxy::Path::kWaypoint);
  const auto verdict = let_in(tunnel, *earlier->arrival, live);
  if (!verdict.allowed) {
    earlier->stream->reset(h2::kConnectError);
    co_return report.deny(verdict);
  }
  Served served = *earlier;
  served.report = &report;
  served.live = &live;
  auto declared = declared_at(*served.worker->view()->mesh, *served.arrival);
  if (late.turned == Turned::kServerHttp2) {
    declared = mesh::AppProtocol::kHttp2;
    auto learned = co_await learn_protocol(&served, declared, std::move(late.first));
    if (!learned) {
      if (live.was_cut()) earlier->stream->reset(h2::kConnectError);
      co_return live.tell(report, learned.error());
    }
    late.first = std::move(*learned);
  }
  const auto speaks = decide_protocol(declared, late.first.speaks);
  co_await serve_requests(&served, speaks, std::move(late.first.bytes));
}

}  // namespace

io::Scope::Child serve_connect(const ArrivedTunnel* tunnel, h2::Stream stream) {
  Worker& worker = *tunnel->worker;
  proxy::Report report(worker.reporter(), telemetry::Direction::kWaypoint);
  report.record.source_address = tunnel->peer;
  const auto arrival = co_await read_arrival(tunnel, &stream, &report);
  if (!arrival) {
    answer(stream, arrival.error().status);
    co_return report.fail(arrival.error().error);
  }
  proxy::LiveEntry live(worker.live(), report, proxy::Path::kWaypoint);
  const auto verdict = let_in(*tunnel, **arrival, live);
  if (!verdict.allowed) {
    answer(stream, 401);
    co_return report.deny(verdict);
  }

  const Served served{&worker, tunnel, arrival->get(), &stream, &report, &live};
  const auto declared = declared_at(*worker.view()->mesh, **arrival);
  const bool asks = asks_first_bytes(declared);
  FirstBytes first;
  if (asks) {
    answer(stream, 200);
    auto learned = co_await learn_protocol(&served, declared, {});
    if (!learned) {
      if (live.was_cut()) stream.reset(h2::kConnectError);
      co_return live.tell(report, learned.error());
    }
    first = std::move(*learned);
  }
  const auto speaks = decide_protocol(declared, first.speaks);
  if (speaks != Speaks::kTcp) {
    co_return co_await serve_requests(&served, speaks, std::move(first.bytes));
  }
  auto late = co_await serve_tcp(&served, asks, std::move(first));
  if (late.turned != Turned::kNot) co_await serve_late_requests(&served, std::move(late));
}

}  // namespace culvert::waypoint
