#include "waypoint/http/http1_client.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

#include "culvert/io/loop.hpp"

namespace culvert::waypoint {
namespace {

constexpr std::chrono::seconds kGoodbyeTimeout{1};
/// For what nobody waits for: the request's head, above all.
constexpr std::chrono::minutes kFlushTimeout{5};

io::Deadline now() {
  return io::Loop::current().now();
}

}  // namespace

/// What the caller holds of the exchange under way.
class Http1Client::Exchange final : public ClientExchange {
 public:
  explicit Exchange(Http1Client& connection) : connection_(connection) {}
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;
  ~Exchange() override { connection_.dropped(); }

  Result<void> send_head(const http::RequestHead& head, bool ends) override {
    return connection_.send_head(head, ends);
  }
  [[clang::coro_wrapper]] io::Task<Result<void>> write_body(Bytes bytes,
                                                            io::Deadline deadline) override {
    return connection_.sender_.write(bytes, deadline);
  }
  [[clang::coro_wrapper]] io::Task<Result<void>> finish(const http::Fields& trailers,
                                                        io::Deadline deadline) override {
    return connection_.finish(trailers, deadline);
  }
  [[clang::coro_wrapper]] io::Task<Result<http::ResponseHead*>> read_head(
      io::Deadline deadline) override {
    return connection_.read_head(deadline);
  }
  [[clang::coro_wrapper]] io::Task<Result<Bytes>> read_body(io::Deadline deadline) override {
    return connection_.read_body(deadline);
  }
  std::optional<Result<Bytes>> try_read_body() override { return connection_.try_read_body(); }
  http::Fields& trailers() override { return connection_.reader_.trailers(); }
  bool request_sent() const override { return connection_.output_.any_sent(); }

 private:
  Http1Client& connection_;
};

Http1Client::Http1Client(std::unique_ptr<io::ByteStream> bytes, const ClientOptions& options,
                         ClientConnection::Owner& owner)
    : bytes_(std::move(bytes)),
      options_(options),
      owner_(owner),
      reader_(options.limits),
      output_(*bytes_, fibers_, *this, Origin::kUpstream, kFlushTimeout),
      sender_(output_),
      born_(now()),
      idle_since_(born_) {}

io::Task<> Http1Client::run() {
  fibers_.spawn([](Http1Client* self) -> io::Task<> { co_await self->read_loop(); }, this);
  while (!over_) {
    if (!co_await over_event_.wait(io::kNoDeadline)) end();
  }
  fibers_.request_stop();
  co_await fibers_.join();
  if (in_order_ && upstream_ != Upstream::kBroken) {
    co_await bytes_->finish(io::in(kGoodbyeTimeout));
  }
}

io::Task<Result<void>> Http1Client::ready(io::Deadline) {
  co_return Result<void>();
}

void Http1Client::retire() {
  retired_ = true;
  if (!active_) {
    in_order_ = true;
    end();
  }
}

void Http1Client::end() {
  if (over_) return;
  over_ = true;
  output_.stop();
  over_event_.notify();
  readable_.notify();
  released_.notify();
  owner_.connection_changed(*this);
}

// What the upstream has answered may still be read: its reader sees the end by itself.
void Http1Client::output_failed(const Error&) {
  retired_ = true;
}

// The reader.

io::Deadline Http1Client::next_deadline() const {
  auto next = io::kNoDeadline;
  if (options_.idle_timeout.count() > 0) {
    next = std::max(idle_since_, active_ ? now() : idle_since_) + options_.idle_timeout;
  }
  if (options_.max_duration && !retired_) next = std::min(next, born_ + *options_.max_duration);
  return next;
}

bool Http1Client::expired() const {
  return options_.max_duration && born_ + *options_.max_duration <= now();
}

io::Task<> Http1Client::read_loop() {
  while (!over_) {
    const auto part = co_await bytes_->read(next_deadline());
    if (!part && part.error().code == ErrorCode::kCancelled) co_return;
    if (!part && part.error().code == ErrorCode::kTimeout) {
      if (expired()) retired_ = true;
      if (!active_ && next_deadline() <= now()) retire();
      if (retired_ && !active_) retire();
      continue;
    }
    if (part && !part->empty()) {
      if (!active_ || !output_.any_sent()) co_return end();  // nothing was asked
      input_ = *part;
      input_lent_ = true;
      readable_.notify();
      while (input_lent_ && !over_) {
        if (!co_await released_.wait(io::kNoDeadline)) co_return;
      }
      continue;
    }
    upstream_ = part ? Upstream::kFinished : Upstream::kBroken;
    in_order_ = part.has_value();
    if (!active_ || !output_.any_sent()) co_return end();
    readable_.notify();
    co_return;  // dropped() ends the connection
  }
}

// Once all of it was passed on the reader goes on.
void Http1Client::release_input() {
  if (!input_lent_ || !input_.empty()) return;
  input_lent_ = false;
  released_.notify();
}

// The exchange.

std::unique_ptr<ClientExchange> Http1Client::open() {
  assert(can_open() && "one request at a time");
  active_ = true;
  head_sent_ = request_ended_ = response_begun_ = response_ended_ = raw_ = false;
  ++served_;
  last_ = options_.max_requests != 0 && served_ >= options_.max_requests;
  output_.forget_sent();
  return std::make_unique<Exchange>(*this);
}

void Http1Client::dropped() {
  active_ = false;
  idle_since_ = now();
  if (over_) return owner_.connection_changed(*this);
  const bool unused = !head_sent_ && !input_lent_ && upstream_ == Upstream::kOpen;
  const bool clean = request_ended_ && response_ended_ && reader_.keep_alive() && !raw_ && !last_ &&
                     output_.idle() && !output_.failed() && input_.empty() &&
                     upstream_ == Upstream::kOpen;
  if (last_ || (!unused && !clean)) {
    retired_ = true;
    in_order_ = request_ended_ && response_ended_ && output_.idle() && !output_.failed();
    return end();
  }
  release_input();
  output_.free_idle_buffers();
  if (retired_) return retire();
  owner_.connection_changed(*this);
}

Error Http1Client::broken(const char* text) const {
  const bool unsent = !output_.any_sent();
  return {unsent ? ErrorCode::kRefused : ErrorCode::kReset, Origin::kUpstream, 0, text};
}

Result<void> Http1Client::send_head(const http::RequestHead& head, bool ends) {
  if (over_ || upstream_ != Upstream::kOpen) {
    return std::unexpected(broken("HTTP/1.1: the upstream closed the connection"));
  }
  if (input_lent_) {
    return fail(ErrorCode::kProtocol, "HTTP/1.1: an answer before its request", Origin::kUpstream);
  }
  const auto framing = http::append_request(head, !last_, output_.queue());
  if (!framing) return fail(ErrorCode::kInvalid, "HTTP/1.1: the request cannot be written");
  head_sent_ = true;
  reader_.next(head.method == "HEAD", head.upgrade);
  sender_.begin(*framing, head.body.length);
  if (ends) request_ended_ = sender_.end({});
  output_.flush_soon();
  return {};
}

io::Task<Result<void>> Http1Client::finish(const http::Fields& trailers, io::Deadline deadline) {
  if (!request_ended_ && !raw_) {
    if (!sender_.end(trailers)) {
      co_return fail(ErrorCode::kInvalid, "HTTP/1.1: less of a body than its head announced");
    }
    request_ended_ = true;
  }
  auto left = co_await output_.flush(deadline);
  if (left && raw_) co_await bytes_->finish(deadline);
  co_return left;
}

// The next piece of the response that says something; nullopt: more input is needed.
std::optional<Result<http::Piece>> Http1Client::next_piece() {
  release_input();
  std::expected<http::Piece, http::Refusal> piece;
  if (!input_.empty()) {
    piece = reader_.read(input_);
    if (piece) input_ = input_.subspan(piece->eaten);
  } else if (response_begun_ && upstream_ == Upstream::kOpen && !over_) {
    piece = reader_.read({});  // a body without bytes is at its end
  }
  if (piece && piece->found == http::Found::kMore) {
    release_input();
    if (upstream_ == Upstream::kOpen && !over_) return std::nullopt;
    if (upstream_ != Upstream::kFinished) {
      return std::unexpected(broken("HTTP/1.1: the upstream cut the connection"));
    }
    if (reader_.idle()) {
      return std::unexpected(broken("HTTP/1.1: the upstream closed before its answer"));
    }
    piece = reader_.finish();
  }
  if (!piece) return std::unexpected(piece.error().error(Origin::kUpstream));
  if (piece->found == http::Found::kEnd) response_ended_ = true;
  return *piece;
}

io::Task<Result<void>> Http1Client::wait_readable(io::Deadline deadline) {
  auto woken = co_await readable_.wait(deadline);
  if (!woken) {
    const bool late = woken.error().code == ErrorCode::kTimeout;
    co_return fail(woken.error().code, "HTTP/1.1: wait for the response",
                   late ? Origin::kUpstream : Origin::kLocal);
  }
  co_return woken;
}

io::Task<Result<http::ResponseHead*>> Http1Client::read_head(io::Deadline deadline) {
  assert(head_sent_ && !response_begun_ && "a response answers a request, and has one head");
  while (true) {
    const auto piece = next_piece();
    if (piece && !*piece) co_return std::unexpected(piece->error());
    if (piece) {
      response_begun_ = (*piece)->found == http::Found::kHead;
      if (reader_.head().status == 101) {
        begin_raw();
      } else if (response_begun_) {  // without a body it is whole with its head
        const auto rest = reader_.read({});
        response_ended_ = rest && rest->found == http::Found::kEnd;
      }
      co_return &reader_.head();
    }
    if (const auto woken = co_await wait_readable(deadline); !woken) {
      co_return std::unexpected(woken.error());
    }
  }
}

// The upgrade's head is its whole message; what follows is not HTTP.
void Http1Client::begin_raw() {
  (void)reader_.read({});
  raw_ = true;
  sender_.begin_raw();
}

std::optional<Result<Bytes>> Http1Client::try_read_raw() {
  release_input();
  if (!input_.empty()) return std::exchange(input_, {});
  if (upstream_ == Upstream::kFinished) return Bytes{};
  if (upstream_ == Upstream::kOpen && !over_) return std::nullopt;
  return std::unexpected(broken("HTTP/1.1: the upstream cut the connection"));
}

std::optional<Result<Bytes>> Http1Client::try_read_body() {
  if (raw_) return try_read_raw();
  if (response_ended_) return Bytes{};
  const auto piece = next_piece();
  if (!piece) return std::nullopt;
  if (!*piece) return std::unexpected(piece->error());
  return (*piece)->found == http::Found::kBody ? (*piece)->body : Bytes{};
}

io::Task<Result<Bytes>> Http1Client::read_body(io::Deadline deadline) {
  while (true) {
    if (auto part = try_read_body()) co_return *part;
    if (const auto woken = co_await wait_readable(deadline); !woken) {
      co_return std::unexpected(woken.error());
    }
  }
}

}  // namespace culvert::waypoint
