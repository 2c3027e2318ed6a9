#include "waypoint/http/http2_client.hpp"

#include <algorithm>
#include <cassert>
#include <optional>
#include <string>
#include <utility>

#include "culvert/h2/http.hpp"
#include "waypoint/http/http2_body.hpp"
#include "waypoint/http/http2_windows.hpp"

namespace culvert::waypoint {
namespace {

io::Deadline now() {
  return io::Loop::current().now();
}

h2::Options h2_options(const ClientOptions& options) {
  h2::Options out = h2::Options::client();
  out.stream_window_bytes = kStreamWindowBytes;
  out.connection_window_bytes = kConnectionWindowBytes;
  out.max_streams = options.max_streams;
  out.header_list_bytes = h2::Options::server().header_list_bytes;
  out.ping_interval = options.ping_interval;
  out.ping_timeout = options.ping_timeout;
  out.budget = options.budget;
  return out;
}

}  // namespace

/// One request's; its stream begins with its head.
class Http2Client::Exchange final : public ClientExchange {
 public:
  explicit Exchange(Http2Client& connection)
      : connection_(connection),
        reader_(stream_, connection.options_.limits, Origin::kUpstream),
        writer_(stream_, Origin::kUpstream) {}
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;
  ~Exchange() override {
    stream_ = {};
    connection_.dropped();
  }

  Result<void> send_head(const http::RequestHead& head, bool ends) override {
    assert(!stream_ && "a request has one head");
    if (!head.upgrade.empty() && !connection_.takes_websockets()) {
      return fail(ErrorCode::kRefused, "HTTP/2: the upstream takes no websockets",
                  Origin::kUpstream);
    }
    auto opened = h2::open(*connection_.connection_, head);
    if (!opened) {
      const bool invalid = opened.error().code == ErrorCode::kInvalid;
      return invalid ? std::unexpected(opened.error())
                     : fail(ErrorCode::kRefused, opened.error().text, Origin::kUpstream);
    }
    stream_ = std::move(*opened);
    to_head_ = head.method == "HEAD";
    upgrade_ = head.upgrade;
    writer_.begin(head.body, head.body.present || !upgrade_.empty());
    if (ends) (void)writer_.end({});
    return {};
  }
  [[clang::coro_wrapper]] io::Task<Result<void>> write_body(Bytes bytes,
                                                            io::Deadline deadline) override {
    return writer_.write(bytes, deadline);
  }
  io::Task<Result<void>> finish(const http::Fields& trailers, io::Deadline deadline) override {
    if (auto ended = writer_.end(trailers); !ended) co_return ended;
    while (true) {
      if (const auto flushed = writer_.try_flushed()) co_return *flushed;
      if (const auto woken = co_await stream_.wait_writable(deadline); !woken) {
        co_return std::unexpected(peer_error(woken.error(), Origin::kUpstream));
      }
    }
  }
  std::optional<Result<void>> try_send_rest(Bytes rest, const http::Fields& trailers) override {
    const auto written = writer_.try_write(rest);
    if (!written || !*written) return written;
    return writer_.end(trailers);
  }

  io::Task<Result<http::ResponseHead*>> read_head(io::Deadline deadline) override {
    while (true) {
      if (const auto interim = stream_.try_informational()) co_return take_head(*interim, false);
      if (const auto final = stream_.try_response()) {
        if (!*final) co_return std::unexpected(peer_error(final->error(), Origin::kUpstream));
        co_return take_head(***final, stream_.ended_without_body());
      }
      if (const auto woken = co_await stream_.wait_readable(deadline); !woken) {
        co_return std::unexpected(peer_error(woken.error(), Origin::kUpstream));
      }
    }
  }
  [[clang::coro_wrapper]] io::Task<Result<Bytes>> read_body(io::Deadline deadline) override {
    return reader_.read(deadline);
  }
  std::optional<Result<Bytes>> try_read_body() override { return reader_.try_read(); }
  http::Fields& trailers() override { return reader_.trailers(); }
  bool request_sent() const override { return static_cast<bool>(stream_); }

 private:
  Result<http::ResponseHead*> take_head(const h2::Headers& block, bool ends) {
    auto head = h2::response_head(block, ends, to_head_, upgrade_, connection_.options_.limits);
    if (!head) {
      stream_.reset(h2::kProtocolError);
      return std::unexpected(head.error().error(Origin::kUpstream));
    }
    head_ = std::move(*head);
    if (!head_.informational()) stream_.forget_headers();
    return &head_;
  }

  Http2Client& connection_;
  h2::Stream stream_;
  Http2BodyReader reader_;
  Http2BodyWriter writer_;
  bool to_head_ = false;
  std::string upgrade_;
  http::ResponseHead head_;
};

Http2Client::Http2Client(std::unique_ptr<io::ByteStream> bytes, const ClientOptions& options,
                         ClientConnection::Owner& owner)
    : options_(options),
      owner_(owner),
      connection_(h2::Connection::client(std::move(bytes), h2_options(options))),
      born_(now()),
      idle_since_(born_) {}

io::Task<> Http2Client::run() {
  auto& timers = io::Loop::current().timers();
  timers.add(*this, next_deadline());
  (void)co_await connection_->run();
  timers.remove(*this);
  end();
}

void Http2Client::end() {
  retired_ = true;
  if (std::exchange(over_, true)) return;
  owner_.connection_changed(*this);
}

io::Task<Result<void>> Http2Client::ready(io::Deadline deadline) {
  auto shaken = co_await connection_->handshake(deadline);
  if (!shaken) co_return std::unexpected(peer_error(shaken.error(), Origin::kUpstream));
  co_return shaken;
}

bool Http2Client::can_open() const {
  return !retired_ && !over_ && active_ < options_.max_streams && connection_->can_open();
}

void Http2Client::retire() {
  retired_ = true;
  connection_->drain();  // run() returns behind the last stream
  if (active_ == 0) end();
}

std::unique_ptr<ClientExchange> Http2Client::open() {
  assert(can_open() && "as many streams as may be");
  ++active_;
  ++served_;
  if (options_.max_requests != 0 && served_ >= options_.max_requests) retired_ = true;
  return std::make_unique<Exchange>(*this);
}

void Http2Client::dropped() {
  --active_;
  if (active_ == 0) idle_since_ = now();
  if (active_ == 0 && retired_ && !over_) return retire();
  owner_.connection_changed(*this);
}

io::Deadline Http2Client::next_deadline() const {
  auto next = io::kNoDeadline;
  if (options_.idle_timeout.count() > 0) {
    next = (active_ > 0 ? now() : idle_since_) + options_.idle_timeout;
  }
  if (options_.max_duration && !retired_) next = std::min(next, born_ + *options_.max_duration);
  return next;
}

void Http2Client::expired() {
  if (over_) return;
  if (options_.max_duration && born_ + *options_.max_duration <= now()) retired_ = true;
  const auto next = next_deadline();
  if (active_ == 0 && (retired_ || next <= now())) return retire();
  io::Loop::current().timers().add(*this, next);
}

}  // namespace culvert::waypoint
