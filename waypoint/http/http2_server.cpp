#include "waypoint/http/http2_server.hpp"

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "culvert/h2/http.hpp"
#include "culvert/io/event.hpp"
#include "waypoint/http/http2_body.hpp"
#include "waypoint/http/http2_windows.hpp"
#include "waypoint/http/this_fiber.hpp"

namespace culvert::waypoint {
namespace {

/// How often in its idle time a stream is looked at.
constexpr int kLooksAtStream = 8;

/// Of what is malformed; other statuses are answers to sound requests.
constexpr std::uint16_t kMalformed = 400;

io::Deadline now() {
  return io::Loop::current().now();
}

h2::Options h2_options(const ServerOptions& options) {
  h2::Options out = h2::Options::server();
  out.stream_window_bytes = kStreamWindowBytes;
  out.connection_window_bytes = kConnectionWindowBytes;
  out.max_streams = options.max_streams;
  out.extended_connect = true;
  out.judges_messages = false;  // Exchange does, and says why
  out.head_timeout = options.head_timeout;
  out.ping_interval = options.ping_interval;
  out.ping_timeout = options.ping_timeout;
  out.ping_when_idle = false;
  out.budget = options.budget;
  return out;
}

}  // namespace

/// One stream's; lives in the frame of its fiber.
class Http2Server::Exchange final : public ServerExchange, private io::Timer, private h2::Cuttable {
 public:
  Exchange(const Http2Server& server, h2::Stream stream, io::Fiber* fiber)
      : server_(server),
        options_(server.options_),
        stream_(std::move(stream)),
        fiber_(fiber),
        reader_(stream_, options_.limits, Origin::kClient),
        writer_(stream_, Origin::kClient) {
    stream_.on_cut(this);
    moved();
    look_again();
  }
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;
  ~Exchange() {
    stream_.on_cut(nullptr);
    io::Loop::current().timers().remove(*this);
  }

  /// Why it is refused, if it is.
  std::optional<http::Refusal> read_head() {
    auto head = h2::request_head(stream_, options_.limits);
    if (!head) return head.error();
    request_ = std::move(*head);
    // What is announced as empty may turn out to be more.
    if (request_.body.length == 0U && !stream_.ended_without_body()) request_.body.present = true;
    reader_.expect(request_.body.length);
    to_head_ = request_.method == "HEAD";
    continue_wanted_ = request_.expects_continue;
    upgrade_ = !request_.upgrade.empty();
    stream_.forget_headers();
    return std::nullopt;
  }
  /// What is malformed is answered, if it still can be, and its stream reset (RFC 9113 section
  /// 8.1.1): the reset waits a turn, as it would overtake the answer.
  io::Task<> refuse(http::Refusal why) {
    if (!head_sent_ && why.status != kMalformed) {
      answer(why.status);
      co_return;
    }
    if (!head_sent_) {
      http::ResponseHead head;
      head.status = why.status;
      (void)h2::send_head(stream_, head, false);
      co_await io::sleep_until(now());
    }
    stream_.reset(h2::kProtocolError);
  }
  bool answered() const { return writer_.ended(); }
  /// The handler has ended, and has not answered.
  io::Task<> leave() {
    if (const auto* why = reader_.refusal()) {
      co_await refuse(*why);
    } else if (timed_out_ && !head_sent_) {
      answer(408);
    } else {
      stream_.reset(timed_out_ ? h2::kCancel : h2::kInternalError);
    }
  }

  io::Task<Result<Bytes>> read_body(io::Deadline deadline) override {
    continue_if_wanted();
    while (true) {
      if (const auto part = reader_.try_read()) {
        moved();
        co_return *part;
      }
      if (const auto woken = co_await stream_.wait_readable(deadline); !woken) {
        moved();
        co_return std::unexpected(peer_error(woken.error(), Origin::kClient));
      }
    }
  }
  std::optional<Result<Bytes>> try_read_body() override {
    continue_if_wanted();
    moved();
    return reader_.try_read();
  }
  http::Fields& request_trailers() override { return reader_.trailers(); }
  const http::Refusal* refusal() const override { return reader_.refusal(); }
  StoppedBy stopped_by() const override {
    if (timed_out_) return StoppedBy::kIdleTime;
    if (server_.runner_->stopping) return StoppedBy::kOwner;
    return stream_.reset_code() ? StoppedBy::kClientReset : StoppedBy::kClient;
  }
  void send_informational(const http::ResponseHead& head) override {
    if (head_sent_ || head.status == 101) return;
    if (head.status == 100) continue_wanted_ = false;
    (void)h2::send_head(stream_, head, false);
  }
  void send_head(const http::ResponseHead& head, bool end) override {
    // RFC 8441: to an extended CONNECT a 2xx says that the tunnel is open. One that was no upgrade
    // must not.
    if (upgrade_ && head.status / 100 == 2) return answer(502);
    if (std::exchange(head_sent_, true)) return;
    moved();
    raw_ = upgrade_ && head.status == 101;
    const bool takes_bytes = raw_ || (head.body.present && !to_head_);
    writer_.begin(head.body, takes_bytes);
    const bool whole = end && writer_.end_with_head();
    if (!h2::send_head(stream_, head, whole)) return stream_.reset(h2::kInternalError);
    if (end && !whole) (void)writer_.end({});
  }
  std::optional<Result<void>> try_write_body(Bytes bytes) override {
    auto done = writer_.try_write(bytes);
    if (done) moved();
    return done;
  }
  io::Task<Result<void>> write_body(Bytes bytes, io::Deadline deadline) override {
    if (const auto done = try_write_body(bytes)) co_return *done;
    writing_ = true;
    auto written = co_await writer_.write(bytes, deadline);
    writing_ = false;
    moved();
    co_return written;
  }
  io::Task<Result<void>> finish(const http::Fields& trailers, io::Deadline deadline) override {
    if (auto ended = writer_.end(trailers); !ended) co_return ended;
    moved();
    while (true) {
      if (const auto flushed = writer_.try_flushed()) co_return *flushed;
      writing_ = true;
      const auto woken = co_await stream_.wait_writable(deadline);
      writing_ = false;
      if (!woken) co_return std::unexpected(peer_error(woken.error(), Origin::kClient));
    }
  }
  void reset(std::uint32_t http2_code) override { stream_.reset(http2_code); }

 private:
  void moved() { moved_at_ = now(); }
  void cut() override { fiber_->stop(); }
  // How long that takes is a matter of the route's timeout; behind the answer's head of both ends
  // alone: streams of gRPC may say nothing for hours.
  bool waits_for_upstream() const {
    const bool said_all = !writing_ && stream_.unsent_bytes() == 0;
    return said_all && (raw_ || stream_.remote_ended() || head_sent_);
  }
  // What waits for the client has been taken in part, however slowly: that is looked for several
  // times within the idle time, as nobody says when it happens.
  void expired() override {
    const auto unsent = stream_.unsent_bytes();
    if (std::exchange(unsent_bytes_, unsent) != unsent || waits_for_upstream()) moved();
    if (moved_at_ + options_.stream_idle_timeout > now()) return look_again();
    timed_out_ = true;
    fiber_->stop();
  }
  void look_again() {
    const auto idle = options_.stream_idle_timeout;
    const auto step = std::max(idle / kLooksAtStream, std::chrono::milliseconds(1));
    io::Loop::current().timers().add(*this, std::min(moved_at_ + idle, now() + step));
  }
  void continue_if_wanted() {
    if (!std::exchange(continue_wanted_, false) || stream_.readable()) return;
    http::ResponseHead head;
    head.status = 100;
    send_informational(head);
  }
  void answer(std::uint16_t status) {
    http::ResponseHead head;
    head.status = status;
    send_head(head, true);
  }

  const Http2Server& server_;
  const ServerOptions& options_;
  h2::Stream stream_;
  io::Fiber* const fiber_;
  Http2BodyReader reader_;
  Http2BodyWriter writer_;
  io::Deadline moved_at_{};
  std::size_t unsent_bytes_ = 0;  // when it was last looked at
  bool to_head_ = false;
  bool upgrade_ = false;
  bool continue_wanted_ = false;
  bool head_sent_ = false;
  bool raw_ = false;  // upgraded: no messages any more
  bool timed_out_ = false;
  bool writing_ = false;  // the client takes nothing more for now
};

Http2Server::Http2Server(std::unique_ptr<io::ByteStream> bytes, const ServerOptions& options,
                         Handler& handler)
    : options_(options), handler_(handler) {
  connection_ =
      h2::Connection::server(std::move(bytes), h2_options(options), [this](h2::Stream stream) {
        handlers_.spawn(&Http2Server::serve_stream, this, std::move(stream));
      });
}

io::Task<Result<void>> Http2Server::run() {
  runner_ = co_await ThisFiber{};
  auto& timers = io::Loop::current().timers();
  timers.add(*this, now() + options_.idle_timeout);
  auto result = co_await connection_->run();
  timers.remove(*this);
  handlers_.request_stop();
  co_await handlers_.join();
  co_return result;
}

void Http2Server::expired() {
  const bool idle = connection_->active_streams() == 0;
  const auto until = (idle ? connection_->idle_since() : now()) + options_.idle_timeout;
  if (until <= now()) return connection_->drain();
  io::Loop::current().timers().add(*this, until);
}

io::Scope::Child Http2Server::serve_stream(Http2Server* self, h2::Stream stream) {
  if (stream.closed()) co_return;
  Exchange exchange(*self, std::move(stream), co_await ThisFiber{});
  if (const auto refused = exchange.read_head()) {
    self->handler_.refused(*refused);
    co_await exchange.refuse(*refused);
    co_return;
  }
  co_await self->handler_.serve(exchange);
  if (!exchange.answered()) co_await exchange.leave();
}

}  // namespace culvert::waypoint
