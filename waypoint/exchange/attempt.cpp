#include "waypoint/exchange/attempt.hpp"

#include <charconv>

#include "culvert/io/loop.hpp"
#include "waypoint/exchange/record.hpp"
#include "waypoint/exchange/response.hpp"
#include "waypoint/exchange/upstream_head.hpp"

namespace culvert::waypoint {
namespace {

using Kind = l7::AttemptResult::Kind;
using telemetry::AttemptPhase;

/// Of what is no fault of the host's and no other would do better: neither recorded nor tried
/// again.
constexpr Kind kNotOfHost = Kind::kOverflow;
/// RST_STREAM for an answer that cannot be ended (RFC 9113 section 7).
constexpr std::uint32_t kInternalError = 2;
/// Of an answer that is not passed on: so much is read, if it is there, to keep its connection.
constexpr std::size_t kMaxDrainedBytes = 64U << 10;

l7::Time in_ms(io::Deadline when) {
  return std::chrono::duration_cast<l7::Time>(when.time_since_epoch());
}

std::optional<std::uint16_t> grpc_status_in(const http::Fields& fields) {
  const auto text = fields.find("grpc-status");
  if (!text) return std::nullopt;
  std::uint16_t status = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), status);
  return error == std::errc() && end == text->data() + text->size() ? status : 2;
}

/// What an attempt without a connection was. A bound, an error of our own side, or policy that does
/// not let the client in, is not the host's fault: else whom policy refuses could have healthy
/// hosts ejected for everybody.
Kind kind_of_failed_connect(const Error& error) {
  const bool of_host = error.origin == Origin::kUpstream && error.code != ErrorCode::kLimit &&
                       error.code != ErrorCode::kDenied;
  return of_host ? Kind::kConnectFailure : kNotOfHost;
}

/// Of an HTTP/1.1 connection a reset is the connection's end, of HTTP/2 the stream's.
ExchangeEnd end_of(const Error& error, AttemptPhase phase, HttpVersion version) {
  const auto end = telemetry::end_of(error, phase);
  if (version != HttpVersion::kHttp1) return end;
  if (end == ExchangeEnd::kUpstreamReset) return ExchangeEnd::kUpstreamClosed;
  return end == ExchangeEnd::kUpstreamCut ? ExchangeEnd::kUpstreamLost : end;
}

/// What is there of an answer that nobody wants.
void drain(ClientExchange& upstream) {
  for (std::size_t drained = 0; drained < kMaxDrainedBytes;) {
    const auto part = upstream.try_read_body();
    if (!part || !*part || (*part)->empty()) return;
    drained += (*part)->size();
  }
}

}  // namespace

Attempt::Attempt(Exchange& exchange, RequestBody& body, RetryPlan& plan, ClusterState& cluster,
                 HostPtr host)
    : x_(exchange),
      body_(body),
      plan_(plan),
      lease_(cluster.shared_from_this(), std::move(host)),
      endpoint_(endpoint_of(lease_.host(), exchange.arrival.destination.ip)),
      quota_(cluster.quota()),
      pool_(cluster.policy().pool),
      version_(upstream_version(exchange, exchange.decision.cluster, cluster.policy())) {
  x_.times.attempt_began = io::Loop::current().now();
  record_.address = endpoint_.address;
  record_.destination = x_.context.parties().of(endpoint_.workload);
  tell(telemetry::ExchangeEvent::kAttempt);
}

Attempt::~Attempt() {
  if (record_.duration.count() == 0) took();
  x_.record.add_attempt(std::move(record_));
}

/// Who watches; mostly nobody.
void Attempt::tell(telemetry::ExchangeEvent event) {
  if (x_.record.watched_as != 0) x_.context.log().went_on(x_.record, event, record_);
}

void Attempt::took() {
  record_.duration = io::Loop::current().now() - x_.times.attempt_began;
}

io::Task<> Attempt::run() {
  const bool websocket = !x_.client.request().upgrade.empty();
  const UpstreamRequest wanted{endpoint_, version_, websocket, x_.arrival.client, pool_, quota_};
  upstream_ = x_.context.connections().try_open(wanted);  // mostly there is one
  if (upstream_ == nullptr && !co_await connect(wanted)) co_return;
  if (!send_request(websocket)) co_return;
  if (body_.waits_with_bytes()) co_await body_.stop();
  if (!websocket) body_.attach(*upstream_);
  http::ResponseHead* head = nullptr;
  while (head == nullptr) {
    const auto next = co_await upstream_->read_head(x_.times.deadline());
    if (!next) {
      const bool refused = next.error().code == ErrorCode::kRefused;
      fail(next.error(), AttemptPhase::kRequest,
           {refused ? Kind::kRefusedStream : Kind::kReset, upstream_->request_sent()});
      co_return;
    }
    // Informational ones go on as they come, but 100, which was said by us, when the body was asked
    // for.
    if (!(*next)->informational()) {
      head = *next;
    } else if ((*next)->status != 100) {
      x_.client.send_informational(**next);
    }
  }
  if (judge(*head)) {
    if (head->body.present) drain(*upstream_);
    end_ = End::kRetry;
    co_return;
  }
  if (!head->upgrade.empty() && !websocket_.settle(*head)) {
    fail({ErrorCode::kProtocol, Origin::kUpstream, 0,
          "the upstream's websocket did not answer our key"},
         AttemptPhase::kRequest, {Kind::kReset, true});
    co_return;
  }
  if (begin_answer(*head)) co_await pass_on(!head->upgrade.empty());
}

/// False when there is no connection: the client is told, or another attempt made.
io::Task<bool> Attempt::connect(const UpstreamRequest& wanted) {
  auto opened = co_await x_.context.connections().open(wanted, x_.times.deadline());
  if (!opened) {
    fail(opened.error(), AttemptPhase::kConnect, {kind_of_failed_connect(opened.error()), false});
    co_return false;
  }
  upstream_ = std::move(*opened);
  co_return true;
}

/// Its head; its body follows by itself.
bool Attempt::send_request(bool websocket) {
  auto& head = x_.memory->outgoing;
  if (websocket) websocket_.prepare(x_.client.request(), head, version_, x_.context.random());
  const auto sent = upstream_->send_head(head, !head.body.present && !websocket);
  if (!sent) {
    const bool of_host = sent.error().code != ErrorCode::kInvalid;  // else no host could take it
    fail(sent.error(), AttemptPhase::kRequest, {of_host ? Kind::kReset : kNotOfHost, false});
  }
  return sent.has_value();
}

/// What the answer says of the host, and whether another attempt shall be made instead of it.
bool Attempt::judge(const http::ResponseHead& head) {
  const auto now = io::Loop::current().now();
  const auto grpc_status = x_.grpc ? grpc_status_in(head.fields) : std::nullopt;
  l7::AttemptResult result;
  result.status = head.status;
  if (grpc_status) result.grpc_status = *grpc_status;
  result.rate_limited = head.fields.find("x-envoy-ratelimited").has_value();
  result.retriable_header = plan_.names_one_of(head.fields);
  record_.status = head.status;
  took();
  const auto counts = grpc_status ? http_status_of(*grpc_status) : head.status;
  lease_.record({false, counts}, in_ms(now));
  x_.record.upstream_time = now - std::min(x_.times.complete, now);
  const bool again = plan_.take(result, body_.can_replay());
  if (again) body_.let_go();
  return again;
}

/// The answer's head goes to the client; true when more follows.
bool Attempt::begin_answer(http::ResponseHead& head) {
  using std::chrono::milliseconds;
  const bool tunnel = !head.upgrade.empty();
  x_.times.answered = true;
  body_.keep_no_more();
  x_.record.status = head.status;
  if (x_.grpc) x_.record.grpc_status = grpc_status_in(head.fields);
  finish_response_head(x_, head);
  const auto waited = std::chrono::duration_cast<milliseconds>(*x_.record.upstream_time).count();
  head.fields.set("x-envoy-upstream-service-time", std::to_string(waited));
  const bool end = !head.body.present && !tunnel;
  end_ = End::kAnswered;
  x_.end(ExchangeEnd::kAnswered);
  tell(telemetry::ExchangeEvent::kAnswer);
  x_.client.send_head(head, end);
  return !end;
}

/// What follows, part by part as it comes and as the client takes it.
io::Task<> Attempt::pass_on(bool tunnel) {
  answering_ = true;
  if (tunnel) {
    // From here on it lasts as long as the two want: the route's time was for the answer.
    x_.times.timeout = std::chrono::milliseconds(0);
    body_.start_tunnel(*upstream_);
  }
  if (!co_await pass_body_on(tunnel)) co_return;
  if (tunnel) {
    const auto ended = co_await body_.tunnel_ended();
    if (!ended && ended.error().code == ErrorCode::kTimeout) cut_idle();
    if (!ended) co_return;
  }
  answering_ = false;
}

/// True when all of it, with its trailers, was taken by the client.
io::Task<bool> Attempt::pass_body_on(bool tunnel) {
  while (true) {
    auto there = upstream_->try_read_body();  // mostly it is: nothing to wait for
    auto part = there    ? *there
                : tunnel ? co_await read_tunnel()
                         : co_await upstream_->read_body(x_.times.deadline());
    if (!part) {
      const bool idle = tunnel && part.error().code == ErrorCode::kTimeout;
      idle ? cut_idle() : cut_short(part.error());
      co_return false;
    }
    if (part->empty()) break;
    x_.record.sent_bytes += part->size();
    if (x_.grpc) x_.record.response_messages.feed(*part);
    const auto at_once = x_.client.try_write_body(*part);
    const auto written =
        at_once ? *at_once : co_await x_.client.write_body(*part, x_.times.deadline());
    if (!written) {
      cut_short(written.error());
      co_return false;
    }
  }
  const auto& trailers = upstream_->trailers();
  if (x_.grpc && !trailers.empty()) x_.record.grpc_status = grpc_status_in(trailers);
  const auto done = co_await x_.client.finish(trailers, x_.times.deadline());
  if (!done) cut_short(done.error());
  co_return done.has_value();
}

/// Upstream may be silent for ever while the client's side is open, and half_open_timeout once that
/// has ended: then kTimeout.
io::Task<Result<Bytes>> Attempt::read_tunnel() {
  const auto idle = x_.context.settings().half_open_timeout;
  while (true) {
    const bool client_ended = body_.whole();
    auto part = co_await upstream_->read_body(later(io::Loop::current().now(), idle));
    const bool late = !part && part.error().code == ErrorCode::kTimeout;
    if (!late || client_ended) co_return part;
  }
}

/// One side of a tunnel has ended, and nothing came of the other for too long.
void Attempt::cut_idle() {
  answering_ = false;
  record_.end = ExchangeEnd::kIdleTimeout;
  x_.end(ExchangeEnd::kIdleTimeout);
  x_.client.reset(kInternalError);
}

/// Nothing was answered yet: another attempt, or the client is told.
void Attempt::fail(const Error& error, AttemptPhase phase, const l7::AttemptResult& result) {
  if (error.code == ErrorCode::kCancelled) return;  // stopped, or expire() knows better
  const auto now = io::Loop::current().now();
  if (error.code == ErrorCode::kTimeout && now >= x_.times.deadline()) {
    expire();
    return;
  }
  x_.record.upstream_failure = error.to_string();
  finish_failed(end_of(error, phase, version_), result);
}

void Attempt::expire() {
  if (end_ != End::kStopped && !answering_) return;  // it came to its end all the same
  const auto now = io::Loop::current().now();
  const auto how = x_.times.expired(now);
  if (how == ExchangeEnd::kTryTimeout && !answering_) {
    finish_failed(how, {Kind::kPerTryTimeout});
    return;
  }
  // The caller's own time, or what a client does not take, says nothing of the host.
  if (!answering_ && x_.times.blames_host(how)) lease_.record({true, 0}, in_ms(now));
  record_.end = how;
  if (answering_) {
    answering_ = false;
    x_.end(how);
    x_.client.reset(kInternalError);
  } else {
    end_ = End::kFailed;
  }
}

void Attempt::finish_failed(ExchangeEnd how, const l7::AttemptResult& result) {
  record_.end = how;
  const bool callers_time = result.kind == Kind::kPerTryTimeout && !x_.times.blames_host(how);
  if (result.kind != kNotOfHost && !callers_time) {
    lease_.record({true, 0}, in_ms(io::Loop::current().now()));
  }
  end_ = plan_.take(result, body_.can_replay()) ? End::kRetry : End::kFailed;
  if (end_ == End::kRetry) body_.let_go();
}

/// The client has had a part of the answer, and must not take it for the whole.
void Attempt::cut_short(const Error& error) {
  if (error.code == ErrorCode::kCancelled) return;  // by whom, is seen from outside
  const auto now = io::Loop::current().now();
  if (error.code == ErrorCode::kTimeout && now >= x_.times.deadline()) {
    expire();
    return;
  }
  answering_ = false;
  if (error.origin == Origin::kClient) {
    if (error.code == ErrorCode::kReset) return record_stop(x_);
    x_.end(telemetry::end_of_client(error));
    return;
  }
  lease_.record({true, 0}, in_ms(now));
  record_.end = end_of(error, AttemptPhase::kResponse, version_);
  x_.end(record_.end);
  x_.client.reset(kInternalError);
}

}  // namespace culvert::waypoint
