#include "waypoint/http/http1_server.hpp"

#include <utility>

#include "culvert/io/loop.hpp"
#include "waypoint/http/this_fiber.hpp"

namespace culvert::waypoint {
namespace {

io::Deadline now() {
  return io::Loop::current().now();
}

}  // namespace

Http1Server::Http1Server(std::unique_ptr<io::ByteStream> bytes, const ServerOptions& options,
                         Handler& handler)
    : bytes_(std::move(bytes)),
      options_(options),
      handler_(handler),
      reader_(options.limits),
      output_(*bytes_, fibers_, *this, Origin::kClient, options.stream_idle_timeout),
      sender_(output_) {}

io::Task<Result<void>> Http1Server::run() {
  runner_ = co_await ThisFiber{};
  moved_at_ = now();
  fibers_.spawn([](Http1Server* self) -> io::Task<> { co_await self->read_loop(); }, this);
  while (!over_) {
    if (!co_await over_event_.wait(io::kNoDeadline)) {
      cut(fail(ErrorCode::kCancelled, "HTTP/1.1: the connection was stopped"));
    }
  }
  handlers_.request_stop();
  co_await handlers_.join();
  co_await last_words();
  co_return result_;
}

// What is queued leaves, then our FIN; the client's own is waited for, as a socket that is closed
// with unread input is reset, and the reset overtakes what the client has not read yet.
io::Task<> Http1Server::last_words() {
  const auto deadline = io::in(kLingerTimeout);
  if (!cut_ && last_status_ != 0 && !response_begun_) {
    http::ResponseHead head;
    head.status = last_status_;
    http::append_response(head, {version_, to_head_, false}, output_.queue());
  }
  if (!cut_) cut_ = !co_await output_.flush(deadline);
  fibers_.request_stop();
  co_await fibers_.join();
  if (cut_) co_return bytes_->abort();  // no end that an answer without a length could end at
  co_await bytes_->finish(deadline);
  while (!peer_finished_) {
    const auto part = co_await bytes_->read(deadline);
    if (!part || part->empty()) co_return;
  }
}

void Http1Server::drain() {
  draining_ = true;
  if (!handling_ && reader_.idle()) end({});
}

void Http1Server::end(Result<void> result) {
  if (over_) return;
  over_ = true;
  result_ = result;
  over_event_.notify();
}

void Http1Server::cut(Result<void> result) {
  cut_ = true;
  output_.stop();
  end(result);
  handlers_.request_stop();
}

void Http1Server::output_failed(const Error& why) {
  cut(std::unexpected(why));
}

void Http1Server::output_moved() {
  moved_at_ = now();
}

// The reader.

bool Http1Server::may_read() const {
  if (peer_finished_) return false;
  return ahead_.size() < kReadAheadBytes && pipelined_.size() < kReadAheadBytes;
}

io::Deadline Http1Server::next_deadline() const {
  if (handling_) return moved_at_ + options_.stream_idle_timeout;
  if (!reader_.idle()) return head_since_ + options_.head_timeout;
  return moved_at_ + options_.idle_timeout;
}

// Deadlines move while a wait is under way; who wakes at an old one waits on.
io::Task<> Http1Server::read_loop() {
  while (!over_) {
    Result<Bytes> part;
    const bool reading = may_read();
    if (reading) {
      part = co_await bytes_->read(next_deadline());
    } else if (const auto woken = co_await room_.wait(next_deadline()); !woken) {
      part = std::unexpected(woken.error());
    }
    if (!part) {
      if (part.error().code == ErrorCode::kCancelled) co_return;
      if (part.error().code == ErrorCode::kTimeout) {
        if (next_deadline() > now()) continue;
        waits_for_upstream() ? void(moved_at_ = now()) : timed_out();
        continue;
      }
      if (!handling_ && reader_.idle()) co_return end({});
      co_return cut(fail(ErrorCode::kReset, "HTTP/1.1: the client went away", Origin::kClient));
    }
    if (!reading) continue;
    moved_at_ = now();
    if (part->empty()) {
      peer_finished();
    } else {
      receive(*part);
    }
  }
}

// How long that takes is a matter of the route's timeout; behind the answer's head of both ends
// alone.
bool Http1Server::waits_for_upstream() const {
  return handling_ && output_.idle() && (raw_ || request_ended_ || response_begun_);
}

void Http1Server::timed_out() {
  if (over_) return;
  if (handling_) {
    idle_too_long_ = true;
    last_status_ = 408;
    if (response_begun_) cut_ = true;
    end(fail(ErrorCode::kTimeout, "HTTP/1.1: nothing moved in a request", Origin::kClient));
  } else if (!reader_.idle()) {
    refuse(http::refusals::kHeadTimeout);
  } else {
    end({});
  }
}

void Http1Server::peer_finished() {
  peer_finished_ = true;
  if (over_ && !handling_) return;
  if (raw_) {
    readable_.notify();
  } else if (handling_) {
    cut(fail(ErrorCode::kReset, "HTTP/1.1: the client closed before its answer", Origin::kClient));
  } else if (reader_.idle()) {
    end({});
  } else {
    refuse(http::refusals::kTruncated);
  }
}

void Http1Server::receive(std::span<const std::uint8_t> bytes) {
  while (!bytes.empty() && !over_ && !refusal_) {
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    if (raw_) {
      ahead_.append(text);
      break;
    }
    if (handling_ && request_ended_) {
      pipelined_.append(text);
      return;
    }
    if (!receive_message(bytes)) break;
  }
  if (handling_) readable_.notify();
}

// One piece of a message; false when it was refused.
bool Http1Server::receive_message(std::span<const std::uint8_t>& bytes) {
  const bool was_idle = reader_.idle();
  auto piece = reader_.read(bytes);
  if (!piece) {
    refuse(piece.error());
    return false;
  }
  bytes = bytes.subspan(piece->eaten);
  if (was_idle) head_since_ = now();
  if (piece->found == http::Found::kHead) {
    begin_request();
    piece = reader_.read({});  // is it without a body?
  } else if (piece->found == http::Found::kBody) {
    ahead_.append(reinterpret_cast<const char*>(piece->body.data()), piece->body.size());
    piece = reader_.read({});
  }
  if (piece && piece->found == http::Found::kEnd) request_ended_ = true;
  return true;
}

// A body that is refused fails its handler, which may answer; else the client gets the status.
void Http1Server::refuse(const http::Refusal& refusal) {
  refusal_ = refusal;
  last_status_ = refusal.status;
  if (handling_) return readable_.notify();
  version_ = http::Version::kHttp11;
  to_head_ = response_begun_ = false;
  handler_.refused(refusal);
  end(std::unexpected(refusal.error(Origin::kClient)));
}

// The handler.

void Http1Server::begin_request() {
  std::swap(request_, reader_.head());
  if (request_.scheme.empty()) request_.scheme = options_.scheme;
  handling_ = true;
  to_head_ = request_.method == "HEAD";
  version_ = request_.version;
  continue_wanted_ = request_.expects_continue;
  request_ended_ = response_begun_ = response_ended_ = false;
  keep_alive_ = true;
  sender_.begin(http::Framing::kNone, std::nullopt);  // no body before its head
  if (!in_serve_) handlers_.spawn(&Http1Server::serve_requests, this);
}

io::Scope::Child Http1Server::serve_requests(Http1Server* self) {
  self->in_serve_ = true;
  do {
    co_await self->handler_.serve(*self);
    // Answers without a body wait for nobody: who does not take his gets no more of them.
    if (!self->output_.has_room()) {
      (void)co_await self->output_.wait_for_room(now() + self->options_.stream_idle_timeout);
    }
  } while (self->end_request());
  self->in_serve_ = false;
}

// The handler has ended. True when the next request has come already.
bool Http1Server::end_request() {
  handling_ = false;
  if (over_) return false;
  if (!response_ended_) {
    if (response_begun_ || !refusal_) cut_ = true;
    end(refusal_ ? std::unexpected(refusal_->error(Origin::kClient))
                 : fail(ErrorCode::kReset, "HTTP/1.1: the response was cut short"));
    return false;
  }
  if (refusal_) {
    end(std::unexpected(refusal_->error(Origin::kClient)));
    return false;
  }
  if (raw_ || !keep_alive_ || !request_ended_ || draining_) {
    end({});
    return false;
  }
  reader_.next();
  moved_at_ = now();
  ahead_.clear();
  lent_.clear();
  if (!pipelined_.empty()) {
    const std::string pipelined = std::exchange(pipelined_, {});
    const auto* first = reinterpret_cast<const std::uint8_t*>(pipelined.data());
    receive({first, pipelined.size()});
  }
  room_.notify();  // a body that nobody asked for may have filled it
  if (!handling_) free_idle_buffers();
  return handling_;
}

void Http1Server::free_idle_buffers() {
  output_.free_idle_buffers();
  for (std::string* buffer : {&ahead_, &lent_}) {
    if (buffer->capacity() > kKeptBytes) std::string().swap(*buffer);
  }
  if (request_.fields.bytes() > kKeptBytes) request_ = {};
}

// The exchange.

void Http1Server::continue_if_wanted() {
  if (!std::exchange(continue_wanted_, false) || response_begun_ || request_ended_) return;
  if (!ahead_.empty()) return;  // it did not wait
  http::ResponseHead head;
  head.status = 100;
  send_informational(head);
}

std::optional<Result<Bytes>> Http1Server::try_read_body() {
  lent_.clear();
  if (!ahead_.empty()) {
    lent_.swap(ahead_);
    room_.notify();
    return Bytes{reinterpret_cast<const std::uint8_t*>(lent_.data()), lent_.size()};
  }
  if (refusal_) return std::unexpected(refusal_->error(Origin::kClient));
  if (raw_ ? peer_finished_ : request_ended_) return Bytes{};
  if (over_) return fail(ErrorCode::kReset, "HTTP/1.1: the connection is over", Origin::kClient);
  continue_if_wanted();
  return std::nullopt;
}

io::Task<Result<Bytes>> Http1Server::read_body(io::Deadline deadline) {
  while (true) {
    if (auto part = try_read_body()) co_return *part;
    if (const auto woken = co_await readable_.wait(deadline); !woken) {
      const auto origin =
          woken.error().code == ErrorCode::kTimeout ? Origin::kClient : Origin::kLocal;
      co_return fail(woken.error().code, "HTTP/1.1: wait for the request's body", origin);
    }
  }
}

StoppedBy Http1Server::stopped_by() const {
  if (idle_too_long_) return StoppedBy::kIdleTime;
  return runner_->stopping ? StoppedBy::kOwner : StoppedBy::kClient;
}

void Http1Server::send_informational(const http::ResponseHead& head) {
  if (over_ || response_begun_) return;
  if (head.status == 100) continue_wanted_ = false;
  http::append_response(head, {version_, to_head_, true}, output_.queue());
  output_.flush_soon();
}

// A client that has not sent its whole request by now may never do so: where the next one begins
// is not known in time.
void Http1Server::send_head(const http::ResponseHead& head, bool ends) {
  if (over_ || response_begun_) return;
  response_begun_ = true;
  const bool keep = reader_.keep_alive() && request_ended_ && !draining_ && !refusal_;
  const auto written = http::append_response(head, {version_, to_head_, keep}, output_.queue());
  keep_alive_ = written.keep_alive;
  if (head.status == 101) {
    raw_ = true;
    sender_.begin_raw();
    ahead_ += std::exchange(pipelined_, {});
  } else {
    sender_.begin(written.framing, head.body.length);
    if (ends) end_response({});
  }
  output_.flush_soon();
}

void Http1Server::end_response(const http::Fields& trailers) {
  if (response_ended_) return;
  if (sender_.end(trailers)) {
    response_ended_ = true;
  } else {
    cut(fail(ErrorCode::kInvalid, "HTTP/1.1: less of a body than its head announced"));
  }
}

io::Task<Result<void>> Http1Server::write_body(Bytes bytes, io::Deadline deadline) {
  return sender_.write(bytes, deadline);
}

io::Task<Result<void>> Http1Server::finish(const http::Fields& trailers, io::Deadline deadline) {
  if (response_begun_) end_response(trailers);
  if (raw_) {
    auto left = co_await output_.flush(deadline);
    if (left) co_await bytes_->finish(deadline);
    co_return left;
  }
  co_return co_await output_.flush(deadline);
}

void Http1Server::reset(std::uint32_t) {
  if (response_ended_) return;
  // Nothing of an answer has left: the client learns what was wrong with its request.
  if (!response_begun_ && refusal_) return end(std::unexpected(refusal_->error(Origin::kClient)));
  cut(fail(ErrorCode::kReset, "HTTP/1.1: the response was cut short"));
}

}  // namespace culvert::waypoint
