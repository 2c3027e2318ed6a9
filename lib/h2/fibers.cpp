// The three fibers of a connection: one reads, one writes, one keeps time. run() is their owner.
#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <cassert>

#include "culvert/io/loop.hpp"
#include "culvert/io/scope.hpp"
#include "session.hpp"

namespace culvert::h2 {
namespace {

constexpr std::string_view kKeepAlivePing("culvert\0", 8);
constexpr std::string_view kDrainPing("drained\0", 8);
/// How often withheld credit and lingering streams are looked at, while there are any.
constexpr std::chrono::milliseconds kWithheldCheck{50};
constexpr std::chrono::milliseconds kLingerCheck{1000};

void submit_ping(nghttp2_session* raw, std::string_view opaque) {
  nghttp2_submit_ping(raw, NGHTTP2_FLAG_NONE, reinterpret_cast<const std::uint8_t*>(opaque.data()));
}

// Reads until the peer closes, so that our close does not overtake what we sent (a TCP socket
// closed with unread input is reset).
io::Task<> read_until_closed(io::ByteStream& bytes, io::Deadline deadline) {
  while (true) {
    const auto part = co_await bytes.read(deadline);
    if (!part || part->empty()) co_return;
  }
}

}  // namespace

io::Task<Result<void>> Session::run() {
  assert(!started_ && "run() is awaited once");
  started_ = true;
  last_received_ = io::Loop::current().now();
  if (options_.ping_interval.count() > 0) next_ping_ = last_received_ + options_.ping_interval;
  io::Scope fibers;
  fibers.spawn([](Session* self) -> io::Task<> { co_await self->read_loop(); }, this);
  fibers.spawn([](Session* self) -> io::Task<> { co_await self->write_loop(); }, this);
  fibers.spawn([](Session* self) -> io::Task<> { co_await self->tick_loop(); }, this);
  while (!over_) {
    if (!co_await over_event_.wait(io::kNoDeadline)) {
      end(fail(ErrorCode::kCancelled, "HTTP/2: the connection was stopped"));
    }
  }
  fibers.request_stop();
  co_await fibers.join();
  end_streams();
  settings_event_.notify();
  if (result_ || late_) {
    const auto deadline = io::in(kGoodbyeTimeout);
    co_await bytes_->finish(deadline);
    if (!peer_closed_) co_await read_until_closed(*bytes_, deadline);
  }
  co_return result_;
}

io::Task<Result<void>> Session::handshake(io::Deadline deadline) {
  while (!settings_received_) {
    if (over_) co_return result_ ? fail(ErrorCode::kClosed, "HTTP/2: handshake") : result_;
    if (const auto woken = co_await settings_event_.wait(deadline); !woken) co_return woken;
  }
  co_return Result<void>();
}

void Session::end(Result<void> result) {
  if (over_) return;
  over_ = true;
  if (result_) result_ = result;
  over_event_.notify();
}

void Session::fatal(ErrorCode code, const char* text, std::uint32_t h2_code) {
  if (dead_) return;
  dead_ = true;
  head_under_way_ = nullptr;
  if (result_) result_ = fail(code, text, peer());
  nghttp2_session_terminate_session(raw_, h2_code);
  goodbye_by_ = io::Loop::current().now() + kGoodbyeTimeout;
  tick_event_.notify();
  wake_writer();
}

void Session::abort(Error why) {
  end(std::unexpected(why));
}

// Reading.

io::Task<> Session::read_loop() {
  while (!dead_) {
    const auto part = co_await bytes_->read(io::kNoDeadline);
    if (!part) {
      end(std::unexpected(part.error()));
      co_return;
    }
    if (part->empty()) {
      peer_closed_ = true;
      if (active_streams_ == 0) {
        end({});
      } else {
        end(fail(ErrorCode::kReset, "HTTP/2: the peer closed with streams open", peer()));
      }
      co_return;
    }
    last_received_ = io::Loop::current().now();
    if (dead_) co_return;  // since it was waited for
    receive(*part);
    deliver_accepted();
    if (head_under_way_ != nullptr) tick_event_.notify();
    if (nghttp2_session_want_write(raw_) != 0 || nghttp2_session_want_read(raw_) == 0)
      wake_writer();
  }
}

void Session::receive(std::span<const std::uint8_t> bytes) {
  const auto eaten = nghttp2_session_mem_recv(raw_, bytes.data(), bytes.size());
  if (eaten == NGHTTP2_ERR_FLOODED) {
    fatal(ErrorCode::kLimit, "HTTP/2: acknowledgments pile up", kEnhanceYourCalm);
  } else if (eaten < 0) {
    fatal(ErrorCode::kProtocol, "HTTP/2: the peer broke the protocol", kProtocolError);
  }
}

void Session::deliver_accepted() {
  for (StreamPtr& stream : std::exchange(accepted_, {})) {
    Stream handle(std::move(stream));
    if (!handle.closed()) handler_(std::move(handle));
  }
}

void Session::count_control_frame() {
  if (control_frames_.take(io::Loop::current().now())) return;
  fatal(ErrorCode::kLimit, "HTTP/2: too many control frames a second", kEnhanceYourCalm);
}

// Writing. The writer is woken at most once a turn and runs after the fibers that were ready with
// it, so that one write carries what the whole turn produced.

io::Task<> Session::write_loop() {
  while (true) {
    fill_batch();
    if (batch_bytes() == 0) {
      if (finished()) {
        end({});
        co_return;
      }
      if (active_streams_ == 0) {  // an idle connection keeps no buffer
        batch_ = {};
        if (block_text_.empty()) block_text_.release();
      }
      if (!co_await send_event_.wait(io::kNoDeadline)) co_return;
      continue;
    }
    // The bytes of other fibers are sealed, or copied, before this one first suspends.
    const auto deadline = io::in(options_.write_timeout);
    const auto written = borrowed_.empty() ? co_await bytes_->write(batch_, deadline)
                                           : co_await bytes_->write_parts(batch_parts(), deadline);
    if (!written) {
      end(std::unexpected(written.error()));
      co_return;
    }
    clear_batch();
  }
}

io::ByteStream::Parts Session::batch_parts() {
  parts_.clear();
  const std::span<const std::uint8_t> frames(batch_);
  std::size_t from = 0;
  for (const auto& [at, bytes] : borrowed_) {
    parts_.push_back(frames.subspan(from, at - from));
    parts_.push_back(bytes);
    from = at;
  }
  parts_.push_back(frames.subspan(from));
  return parts_;
}

void Session::clear_batch() {
  batch_.clear();
  borrowed_.clear();
  borrowed_bytes_ = 0;
}

void Session::fill_batch() {
  batch_full_ = false;
  while (!batch_full_ && batch_bytes() < kWriteBatchBytes) {
    const std::uint8_t* bytes = nullptr;
    const auto count = nghttp2_session_mem_send(raw_, &bytes);
    if (count < 0)
      return fatal(ErrorCode::kProtocol, "HTTP/2: packing frames failed", kInternalError);
    if (count == 0) {
      if (nghttp2_session_get_outbound_queue_size(raw_) == 0) block_text_.clear();
      return;
    }
    batch_.insert(batch_.end(), bytes, bytes + count);
  }
}

// What is sealed at once is gone before the writer waits; a batch that waits for the peer is not.
void Session::free_idle_buffers() {
  if (batch_.empty()) {
    batch_.shrink_to_fit();
    borrowed_.shrink_to_fit();
    parts_.clear();
    parts_.shrink_to_fit();
  }
  if (block_text_.empty()) block_text_.release();
  bytes_->free_idle_buffers();
}

bool Session::finished() const {
  if (nghttp2_session_want_write(raw_) != 0) return false;
  return nghttp2_session_want_read(raw_) == 0 || (!server_ && draining_ && active_streams_ == 0);
}

// Keeping time: PINGs, drains, and the few things that wait for a clock.

void Session::drain() {
  if (over_ || drain_step_ != DrainStep::kNone) return;
  draining_ = true;
  drain_step_ = DrainStep::kNoticed;
  if (server_) {
    nghttp2_submit_shutdown_notice(raw_);
    submit_ping(raw_, kDrainPing);
    if (ping_sent_ == io::kNoDeadline) ping_sent_ = io::Clock::now();
    tick_event_.notify();
  } else {
    // A server opens no streams here: what it learns is that no more requests will come.
    drain_step_ = DrainStep::kFinal;
    nghttp2_submit_goaway(raw_, NGHTTP2_FLAG_NONE, 0, NGHTTP2_NO_ERROR, nullptr, 0);
  }
  wake_writer();
}

void Session::ping_acknowledged(std::string_view opaque) {
  ping_sent_ = io::kNoDeadline;
  if (opaque != kDrainPing || drain_step_ != DrainStep::kNoticed) return;
  drain_step_ = DrainStep::kFinal;
  nghttp2_submit_goaway(raw_, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(raw_),
                        NGHTTP2_NO_ERROR, nullptr, 0);
}

io::Deadline Session::next_tick() const {
  const auto now = io::Loop::current().now();
  auto next = std::min(next_ping_, goodbye_by_);
  if (head_under_way_ != nullptr) {
    next = std::min(next, head_under_way_->linger_until);
  } else if (ping_sent_ != io::kNoDeadline) {
    next = std::min(next, std::max(ping_sent_, last_received_) + options_.ping_timeout);
  }
  if (withholding_) next = std::min(next, now + kWithheldCheck);
  if (lingering_streams_ > 0) next = std::min(next, now + kLingerCheck);
  return next;
}

io::Task<> Session::tick_loop() {
  while (true) {
    const auto woken = co_await tick_event_.wait(next_tick());
    if (!woken && woken.error().code != ErrorCode::kTimeout) co_return;
    tick();
  }
}

void Session::tick() {
  const auto now = io::Loop::current().now();
  if (goodbye_by_ <= now) return end(result_);
  if (head_under_way_ != nullptr) {
    if (head_under_way_->linger_until <= now) return head_is_late();
  } else if (ping_sent_ != io::kNoDeadline &&
             std::max(ping_sent_, last_received_) + options_.ping_timeout <= now) {
    return end(fail(ErrorCode::kTimeout, "HTTP/2: the peer does not answer keep-alive", peer()));
  }
  if (next_ping_ <= now) {
    next_ping_ = now + options_.ping_interval;
    const bool wanted = options_.ping_when_idle || active_streams_ > 0;
    if (wanted && ping_sent_ == io::kNoDeadline) {
      ping_sent_ = now;
      submit_ping(raw_, kKeepAlivePing);
      wake_writer();
    }
  }
  if (withholding_) release_withheld();
  if (lingering_streams_ > 0) reset_lingering(now);
}

}  // namespace culvert::h2
