#include "waypoint/exchange/request_body.hpp"

#include "culvert/io/loop.hpp"

namespace culvert::waypoint {
namespace {

Bytes bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

}  // namespace

RequestBody::RequestBody(Exchange& exchange, bool keep)
    : exchange_(exchange),
      client_(exchange.client),
      keeping_(keep),
      expected_(client_.request().body.present),
      kept_(exchange.memory->body) {
  if (expected_) return;
  ended_ = true;
  exchange_.times.complete = io::Loop::current().now();
}

RequestBody::~RequestBody() {
  drop_kept();
  for (const auto& mirror : mirrors_) {
    if (!mirror->finished()) mirror->give_up();
  }
}

void RequestBody::start() {
  if (!expected_) return;
  read_ahead();  // a small one mostly came with its head
  if (!ended_ && !failure_) spawn_pump();
}

void RequestBody::spawn_pump() {
  pump_.emplace();
  pump_->spawn(pump, this);
}

void RequestBody::attach(ClientExchange& upstream) {
  upstream_ = &upstream;
  sent_ = 0;
  finished_ = false;
  if (!expected_) return;
  if (pumps()) {
    changed_.notify();
  } else if (!send_at_once()) {
    spawn_pump();
  }
}

/// What is whole and takes no waiting needs no fiber.
bool RequestBody::send_at_once() {
  if (!ended_ || failure_) return false;
  const auto sent = upstream_->try_send_rest(bytes_of(kept_), client_.request_trailers());
  if (!sent) return false;
  sent_ = kept_.size();
  finished_ = sent->has_value();
  if (!keeping_) drop_kept();
  (void)written(*sent);
  return true;
}

bool RequestBody::detach() {
  upstream_ = nullptr;
  return pump_ && writing_;
}

io::Task<> RequestBody::stop() {
  if (!pump_) co_return;
  pump_->request_stop();
  co_await pump_->join();
  pump_.reset();
}

void RequestBody::start_tunnel(ClientExchange& upstream) {
  expected_ = true;
  ended_ = finished_ = keeping_ = false;
  attach(upstream);
}

io::Task<Result<void>> RequestBody::tunnel_ended() {
  const auto& received = exchange_.record.received_bytes;
  for (auto before = received; !finished_ && !failure_ && upstream_ != nullptr; before = received) {
    const auto idle = exchange_.context.settings().half_open_timeout;
    const auto woken = co_await changed_.wait(later(io::Loop::current().now(), idle));
    const bool late = !woken && woken.error().code == ErrorCode::kTimeout;
    if (!woken && (!late || received == before)) co_return woken;
  }
  if (finished_) co_return Result<void>();
  co_return culvert::fail(ErrorCode::kReset, "a tunnel was cut");
}

io::Task<> RequestBody::beside(Stoppable& step) {
  io::Scope scope;
  step_ = &scope;
  scope.spawn(run_step, &step);
  co_await scope.join();
  step_ = nullptr;
}

io::Scope::Child RequestBody::run_step(Stoppable* step) {
  co_await step->run();
}

void RequestBody::stop_step() {
  if (step_ != nullptr) step_->request_stop();
}

void RequestBody::keep_no_more() {
  keeping_ = false;
  if (upstream_ != nullptr && !writing_ && sent_ == kept_.size()) drop_kept();
}

void RequestBody::drop_kept() {
  if (!kept_.empty()) lost_ = true;
  exchange_.context.counts.kept_bytes -= kept_.size();
  kept_.clear();
  sent_ = 0;
}

io::Scope::Child RequestBody::pump(RequestBody* self) {
  while (co_await self->step()) {
  }
}

/// One thing after the other; false when nothing is left to do.
io::Task<bool> RequestBody::step() {
  if (!ended_ && in_hand_.empty()) read_ahead();
  if (failure_) co_return false;
  if (upstream_ != nullptr && sent_ < kept_.size()) co_return co_await write_kept();
  if (!in_hand_.empty()) {
    if (upstream_ == nullptr) co_return co_await wait_for_change();
    co_return co_await write_through(std::exchange(in_hand_, {}));
  }
  if (ended_) {
    if (upstream_ == nullptr || finished_) co_return co_await wait_for_change();
    writing_ = true;
    const auto deadline = exchange_.times.deadline();
    const auto done = co_await upstream_->finish(client_.request_trailers(), deadline);
    writing_ = false;
    finished_ = done.has_value();
    if (finished_) changed_.notify();
    co_return written(done);
  }
  if (upstream_ == nullptr && kept_.size() >= kUploadAheadBytes) {
    co_return co_await wait_for_change();
  }
  reading_ = true;
  const auto part = co_await client_.read_body(io::kNoDeadline);
  reading_ = false;
  if (part) {
    take(*part);
  } else {
    fail(part.error());
  }
  co_return part.has_value();
}

/// What has come already, as far as it can be kept: it then leaves in one piece.
void RequestBody::read_ahead() {
  while (!ended_ && in_hand_.empty() && (keeping_ || upstream_ == nullptr) &&
         kept_.size() - sent_ < kUploadAheadBytes) {
    const auto part = client_.try_read_body();
    if (!part) return;
    if (!*part) return fail(part->error());
    take(**part);
  }
}

void RequestBody::take(Bytes part) {
  if (part.empty()) return end();
  exchange_.record.received_bytes += part.size();
  if (exchange_.grpc) exchange_.record.request_messages.feed(part);
  for (const auto& mirror : mirrors_) mirror->put(part);
  if (!keep(part)) in_hand_ = part;
}

bool RequestBody::keep(Bytes part) {
  const bool staged = upstream_ == nullptr && kept_.size() + part.size() <= 2 * kUploadAheadBytes;
  if (!keeping_ && !staged) return false;
  auto& total = exchange_.context.counts.kept_bytes;
  const bool over = kept_.size() + part.size() > exchange_.context.settings().retry_buffer_bytes ||
                    total + part.size() > kMaxKeptBytes;
  if (over) keeping_ = false;
  if (over && !staged) return false;
  kept_.append(reinterpret_cast<const char*>(part.data()), part.size());
  total += part.size();
  return true;
}

void RequestBody::end() {
  ended_ = true;
  if (exchange_.times.complete == io::kNoDeadline) {
    exchange_.times.complete = io::Loop::current().now();
  }
  for (const auto& mirror : mirrors_) mirror->finish(client_.request_trailers());
}

void RequestBody::fail(const Error& error) {
  if (error.code == ErrorCode::kCancelled) return;  // by stop()
  failure_ = error;
  changed_.notify();
  stop_step();
}

io::Task<bool> RequestBody::write_kept() {
  const auto part = std::string_view(kept_).substr(sent_);
  writing_ = true;
  const auto result = co_await upstream_->write_body(
      bytes_of(part), ended_ ? exchange_.times.deadline() : io::kNoDeadline);
  writing_ = false;
  if (result) {
    sent_ += part.size();
    if (!keeping_ && upstream_ != nullptr) drop_kept();  // else another attempt needs it
  }
  co_return written(result);
}

io::Task<bool> RequestBody::write_through(Bytes part) {
  if (!kept_.empty()) drop_kept();
  lost_ = true;
  writing_ = true;
  const auto result = co_await upstream_->write_body(part, io::kNoDeadline);
  writing_ = false;
  co_return written(result);
}

/// What upstream does not take any more is no failure here: its answer, or its reset, is on its
/// way to who reads it.
bool RequestBody::written(const Result<void>& result) {
  if (result) return true;
  if (result.error().code == ErrorCode::kTimeout) {
    timed_out_ = true;
    stop_step();
  }
  if (result.error().code == ErrorCode::kCancelled) return false;
  upstream_ = nullptr;
  changed_.notify();
  return true;
}

/// Until there is another upstream; or, once the body is whole, until time is up.
io::Task<bool> RequestBody::wait_for_change() {
  const auto deadline = ended_ && step_ != nullptr ? exchange_.times.deadline() : io::kNoDeadline;
  const auto woken = co_await changed_.wait(deadline);
  if (woken) co_return true;
  if (woken.error().code == ErrorCode::kCancelled) co_return false;
  if (io::Loop::current().now() >= exchange_.times.deadline()) {
    timed_out_ = true;
    stop_step();
    co_return false;
  }
  co_return true;
}

}  // namespace culvert::waypoint
