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
      version_(upstream_version(exchange, exchange.decision.cluster)) {
  x_.times.attempt_began = io::Loop::current().now();
  record_.address = endpoint_.address;
  record_.destination = x_.context.parties().of(endpoint_.workload);
}

Attempt::~Attempt() {
  if (record_.duration.count() == 0) took();
  x_.record.add_attempt(std::move(record_));
}

void Attempt::took() {
  record_.duration = io::Loop::current().now() - x_.times.attempt_began;
}

io::Task<> Attempt::run() {
  if (!co_await connect()) co_return;
  auto* head = co_await await_answer();
  if (head == nullptr) co_return;
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
  co_await pass_on(*head);
}

/// A connection, and the request on it; its body follows by itself.
io::Task<bool> Attempt::connect() {
  const bool websocket = !x_.client.request().upgrade.empty();
  auto opened = co_await x_.context.connections().open(
      {endpoint_, version_, websocket, x_.arrival.client, pool_, quota_}, x_.times.deadline());
  if (!opened) {
    // Ours to refuse: no fault of the host's, and no other would do better.
    const auto& error = opened.error();
    const bool overflow = error.code == ErrorCode::kLimit ||
                          (error.code == ErrorCode::kInvalid && error.origin != Origin::kUpstream);
    fail(opened.error(), AttemptPhase::kConnect,
         {overflow ? Kind::kOverflow : Kind::kConnectFailure, false});
    co_return false;
  }
  upstream_ = std::move(*opened);
  auto& head = x_.memory->outgoing;
  if (websocket) websocket_.prepare(x_.client.request(), head, version_, x_.context.random());
  const auto sent = upstream_->send_head(head, !head.body.present && !websocket);
  if (!sent) {
    fail(sent.error(), AttemptPhase::kRequest, {Kind::kReset, false});
    co_return false;
  }
  if (body_.waits_with_bytes()) co_await body_.stop();
  if (!websocket) body_.attach(*upstream_);
  co_return true;
}

/// The final head; informational ones go on to the client as they come. Null: there is none.
io::Task<http::ResponseHead*> Attempt::await_answer() {
  while (true) {
    auto head = co_await upstream_->read_head(x_.times.deadline());
    if (!head) {
      const bool refused = head.error().code == ErrorCode::kRefused;
      fail(head.error(), AttemptPhase::kRequest,
           {refused ? Kind::kRefusedStream : Kind::kReset, upstream_->request_sent()});
      co_return nullptr;
    }
    if (!(*head)->informational()) co_return *head;
    // 100 was said by us, when the body was asked for.
    if ((*head)->status != 100) x_.client.send_informational(**head);
  }
}

/// What the answer says of the host, and whether another attempt shall be made instead of it.
bool Attempt::judge(const http::ResponseHead& head) {
  const auto now = io::Loop::current().now();
  const auto grpc_status = x_.grpc ? grpc_status_in(head.fields) : std::nullopt;
  l7::AttemptResult result;
  result.status = head.status;
  if (grpc_status) result.grpc_status = *grpc_status;
  result.rate_limited = head.fields.find("x-envoy-ratelimited").has_value();
  record_.status = head.status;
  took();
  const auto counts = grpc_status ? http_status_of(*grpc_status) : head.status;
  lease_.record({false, counts}, in_ms(now));
  x_.record.upstream_time = now - std::min(x_.times.complete, now);
  const bool again = plan_.take(result, body_.can_replay());
  if (again) body_.let_go();
  return again;
}

/// The answer goes to the client, part by part as it comes and as the client takes it.
io::Task<> Attempt::pass_on(http::ResponseHead& head) {
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
  x_.client.send_head(head, end);
  if (end) co_return;
  answering_ = true;
  if (tunnel) {
    // From here on it lasts as long as the two want: the route's time was for the answer.
    x_.times.timeout = milliseconds(0);
    body_.start_tunnel(*upstream_);
  }
  if (!co_await pass_body_on()) co_return;
  if (tunnel && !co_await body_.tunnel_ended()) co_return;
  answering_ = false;
}

/// True when all of it, with its trailers, was taken by the client.
io::Task<bool> Attempt::pass_body_on() {
  while (true) {
    auto there = upstream_->try_read_body();  // mostly it is: nothing to wait for
    auto part = there ? *there : co_await upstream_->read_body(x_.times.deadline());
    if (!part) {
      cut_short(part.error());
      co_return false;
    }
    if (part->empty()) break;
    x_.record.sent_bytes += part->size();
    if (x_.grpc) x_.record.response_messages.feed(*part);
    const auto written = co_await x_.client.write_body(*part, x_.times.deadline());
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

/// Nothing was answered yet: another attempt, or the client is told.
void Attempt::fail(const Error& error, AttemptPhase phase, const l7::AttemptResult& result) {
  if (error.code == ErrorCode::kCancelled) return;  // stopped, or expire() knows better
  const auto now = io::Loop::current().now();
  if (error.code == ErrorCode::kTimeout && now >= x_.times.deadline()) {
    expire();
    return;
  }
  x_.record.upstream_failure = error.to_string();
  auto how = telemetry::end_of(error, phase);
  // Of an HTTP/1.1 connection a reset is the connection's end, of HTTP/2 the stream's.
  if (how == ExchangeEnd::kUpstreamReset && version_ == HttpVersion::kHttp1) {
    how = ExchangeEnd::kUpstreamClosed;
  }
  finish_failed(how, result);
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
  if (!answering_ && how != ExchangeEnd::kMaxDuration) lease_.record({true, 0}, in_ms(now));
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
  if (result.kind != Kind::kOverflow) {
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
  record_.end = telemetry::end_of(error, AttemptPhase::kResponse);
  x_.end(record_.end);
  x_.client.reset(kInternalError);
}

}  // namespace culvert::waypoint
