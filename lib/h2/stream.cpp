// The handle's side of a stream: waiting for what session.cpp and callbacks.cpp bring.
#include "culvert/h2/stream.hpp"

#include <algorithm>

#include "session.hpp"

namespace culvert::h2 {
namespace {

bool ended(const StreamState& stream) {
  return stream.closed || stream.reset_code.has_value();
}

// Closed in order both ways leaves no failure; whoever still wants something comes too late.
std::unexpected<Error> failure(const StreamState& stream) {
  if (stream.failure.text[0] == '\0')
    return fail(ErrorCode::kClosed, "HTTP/2: the stream has ended");
  return std::unexpected(stream.failure);
}

void return_lent(StreamState& stream) {
  const std::size_t bytes = std::exchange(stream.lent_bytes, 0);
  if (bytes == 0) return;
  stream.received.pop(bytes);
  if (stream.session != nullptr) stream.session->credit(stream, bytes);
}

// What there is to read, or nullopt; the part before is given back.
std::optional<Result<std::span<const std::uint8_t>>> next_part(StreamState& stream) {
  return_lent(stream);
  if (stream.reset_by_us) return failure(stream);
  if (!stream.received.empty()) {
    const auto bytes = stream.received.front();
    stream.lent_bytes = bytes.size();
    return bytes;
  }
  if (stream.remote_ended) return std::span<const std::uint8_t>();
  if (ended(stream)) return failure(stream);
  return std::nullopt;
}

// What flushed() says, or nullopt while something is to leave.
std::optional<Result<void>> flushed_now(const StreamState& state) {
  if (!state.to_send.empty() || (state.end_queued && !state.end_sent)) {
    if (ended(state)) return failure(state);
    return std::nullopt;
  }
  if (state.closed && state.failure.text[0] != '\0' && !state.end_sent) return failure(state);
  return Result<void>();
}

}  // namespace

Stream::Stream(std::shared_ptr<StreamState> state) : state_(std::move(state)) {}
void Stream::release() {
  const auto state = std::move(state_);
  if (state != nullptr && state->session != nullptr) state->session->handle_gone(*state);
}

std::int32_t Stream::id() const {
  return state_->id;
}
const Headers& Stream::request() const {
  return state_->headers;
}
void Stream::forget_headers() {
  Headers().swap(state_->headers);
  if (state_->rare != nullptr) state_->rare->informational = {};
}
const Headers& Stream::trailers() const {
  static const Headers kNone;
  return state_->rare == nullptr ? kNone : state_->rare->trailers;
}
std::optional<std::uint32_t> Stream::reset_code() const {
  return state_->reset_code;
}
std::size_t Stream::unsent_bytes() const {
  return state_->sendable_bytes();
}
bool Stream::remote_ended() const {
  return state_->remote_ended;
}
bool Stream::oversized() const {
  return state_->oversized;
}
bool Stream::late() const {
  return state_->late;
}
bool Stream::oversized_trailers() const {
  return state_->oversized_trailers;
}

bool Stream::ended_without_body() const {
  return state_->remote_ended && !state_->any_received && trailers().empty();
}
bool Stream::closed() const {
  return state_->closed;
}

void Stream::on_cut(Cuttable* whom) {
  state_->cut = whom;
}

std::optional<Result<const Headers*>> Stream::try_response() {
  if (state_->headers_complete) return &state_->headers;
  if (ended(*state_)) return failure(*state_);
  return std::nullopt;
}

io::Task<Result<const Headers*>> Stream::response(io::Deadline deadline) {
  const auto state = state_;
  while (!state->headers_complete) {
    if (ended(*state)) co_return failure(*state);
    if (const auto woken = co_await state->readable.wait(deadline); !woken) {
      co_return std::unexpected(woken.error());
    }
  }
  co_return &state->headers;
}

std::optional<Headers> Stream::try_informational() {
  if (state_->rare == nullptr || state_->rare->informational.empty()) return std::nullopt;
  auto& waiting = state_->rare->informational;
  Headers first = std::move(waiting.front());
  waiting.erase(waiting.begin());
  return first;
}

io::Task<Result<std::optional<Headers>>> Stream::informational(io::Deadline deadline) {
  const auto state = state_;
  while (true) {
    if (auto first = try_informational()) co_return std::move(first);
    if (state->headers_complete) co_return std::nullopt;
    if (ended(*state)) co_return failure(*state);
    if (const auto woken = co_await state->readable.wait(deadline); !woken) {
      co_return std::unexpected(woken.error());
    }
  }
}

Result<void> Stream::send_informational(const Headers& response) {
  if (state_->session == nullptr) return failure(*state_);
  return state_->session->send_informational(*state_, response);
}

Result<void> Stream::send_headers(const Headers& response, bool end_stream) {
  if (state_->session == nullptr) return failure(*state_);
  return state_->session->send_headers(*state_, response, end_stream);
}

Result<void> Stream::send_headers(FieldViews response, bool end_stream) {
  if (state_->session == nullptr) return failure(*state_);
  return state_->session->send_headers(*state_, response, end_stream);
}

bool Stream::readable() const {
  return !state_->received.empty() || state_->remote_ended || ended(*state_);
}

io::Event::Wait Stream::wait_readable(io::Deadline deadline) {
  return state_->readable.wait(deadline);
}

std::optional<Result<std::span<const std::uint8_t>>> Stream::try_read() {
  return next_part(*state_);
}

io::Task<Result<std::span<const std::uint8_t>>> Stream::read(io::Deadline deadline) {
  const auto state = state_;
  while (true) {
    if (const auto part = next_part(*state)) co_return *part;
    if (const auto woken = co_await state->readable.wait(deadline); !woken) {
      co_return std::unexpected(woken.error());
    }
  }
}

void Stream::consumed() {
  return_lent(*state_);
}

io::Task<Result<void>> Stream::write(std::span<const std::uint8_t> bytes, io::Deadline deadline) {
  const auto state = state_;
  if (!state->headers_sent || state->end_queued) {
    co_return fail(ErrorCode::kInvalid, "HTTP/2: write outside of the body");
  }
  while (!bytes.empty()) {
    if (ended(*state) || state->session == nullptr) co_return failure(*state);
    const std::size_t part = std::min(bytes.size(), state->session->room(*state));
    if (part > 0) {
      state->session->queue(*state, bytes.first(part));
      bytes = bytes.subspan(part);
    } else if (const auto woken = co_await state->writable.wait(deadline); !woken) {
      co_return std::unexpected(woken.error());
    }
  }
  co_return Result<void>();
}

bool Stream::try_write(std::span<const std::uint8_t> bytes) {
  StreamState& state = *state_;
  if (!state.headers_sent || state.end_queued || ended(state) || state.session == nullptr ||
      bytes.size() > state.session->room(state)) {
    return false;
  }
  if (!bytes.empty()) state.session->queue(state, bytes);
  return true;
}

io::Task<Result<void>> Stream::pass(std::span<const std::uint8_t> bytes, io::Deadline deadline) {
  const auto state = state_;
  if (!state->headers_sent || state->end_queued) {
    co_return fail(ErrorCode::kInvalid, "HTTP/2: write outside of the body");
  }
  if (ended(*state) || state->session == nullptr) co_return failure(*state);
  state->session->lend(*state, bytes);
  while (!state->borrowed.empty()) {
    if (const auto woken = co_await state->writable.wait(deadline); !woken) {
      if (state->session != nullptr) state->session->keep_borrowed(*state);
      co_return woken;
    }
    if (ended(*state) || state->session == nullptr) {
      if (state->session != nullptr) state->session->keep_borrowed(*state);
      co_return failure(*state);
    }
  }
  co_return Result<void>();
}

Result<void> Stream::finish() {
  if (state_->end_queued) return {};
  if (ended(*state_) || state_->session == nullptr) return failure(*state_);
  if (!state_->headers_sent) return fail(ErrorCode::kInvalid, "HTTP/2: finish before the headers");
  return state_->session->queue_end(*state_, {});
}

Result<void> Stream::send_trailers(Headers trailers) {
  if (ended(*state_) || state_->session == nullptr) return failure(*state_);
  if (!state_->headers_sent || state_->end_queued) {
    return fail(ErrorCode::kInvalid, "HTTP/2: trailers outside of the body");
  }
  return state_->session->queue_end(*state_, std::move(trailers));
}

std::optional<Result<void>> Stream::try_flushed() const {
  return flushed_now(*state_);
}

io::Event::Wait Stream::wait_writable(io::Deadline deadline) {
  return state_->writable.wait(deadline);
}

io::Task<Result<void>> Stream::flushed(io::Deadline deadline) {
  const auto state = state_;
  while (true) {
    if (const auto done = flushed_now(*state)) co_return *done;
    if (const auto woken = co_await state->writable.wait(deadline); !woken) co_return woken;
  }
}

void Stream::reset(std::uint32_t code) {
  if (state_->session != nullptr) state_->session->reset(*state_, code);
}

}  // namespace culvert::h2
