#include "waypoint/http/output.hpp"

#include <array>
#include <span>
#include <utility>

#include "culvert/io/loop.hpp"

namespace culvert::waypoint {
namespace {

Bytes bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

}  // namespace

void Output::flush_soon() {
  if (queue_.empty() || scheduled_ || writing_ || failed_) return;
  scheduled_ = true;
  fibers_.spawn(&Output::flush_later, this);
}

io::Scope::Child Output::flush_later(Output* self) {
  self->scheduled_ = false;
  if (!self->writing_) {
    (void)co_await self->write_queue(io::Loop::current().now() + self->timeout_);
  }
}

io::Task<Result<void>> Output::flush(io::Deadline deadline) {
  while (!idle()) {
    if (failed_) break;
    if (!writing_) {
      if (auto done = co_await write_queue(deadline); !done) co_return done;
    } else if (const auto woken = co_await changed_.wait(deadline); !woken) {
      co_return failure(woken.error());
    }
  }
  co_return failed_ ? fail(ErrorCode::kReset, "HTTP/1.1: the connection is over", origin_)
                    : Result<void>();
}

// Also what is queued meanwhile.
io::Task<Result<void>> Output::write_queue(io::Deadline deadline) {
  while (!queue_.empty()) {
    if (failed_) co_return fail(ErrorCode::kReset, "HTTP/1.1: the connection is over", origin_);
    writing_ = true;
    any_sent_ = true;
    sending_.swap(queue_);
    auto done = written(co_await bytes_.write(bytes_of(sending_), deadline));
    sending_.clear();
    if (!done) co_return done;
  }
  co_return Result<void>();
}

io::Task<Result<void>> Output::write(Bytes bytes, std::string_view tail, io::Deadline deadline) {
  while (writing_) {
    if (const auto woken = co_await changed_.wait(deadline); !woken) {
      co_return failure(woken.error());
    }
  }
  if (failed_) co_return fail(ErrorCode::kReset, "HTTP/1.1: the connection is over", origin_);
  writing_ = true;
  any_sent_ = true;
  sending_.swap(queue_);
  std::array<std::span<const std::uint8_t>, 3> parts{bytes_of(sending_), bytes, bytes_of(tail)};
  const bool alone = sending_.empty() && tail.empty();
  auto done = written(alone ? co_await bytes_.write(bytes, deadline)
                            : co_await bytes_.write_parts(parts, deadline));
  sending_.clear();
  flush_soon();
  co_return done;
}

io::Task<Result<void>> Output::wait_for_room(io::Deadline deadline) {
  while (!has_room() && !failed_) {
    if (const auto woken = co_await changed_.wait(deadline); !woken) {
      co_return failure(woken.error());
    }
  }
  co_return failed_ ? fail(ErrorCode::kReset, "HTTP/1.1: the connection is over", origin_)
                    : Result<void>();
}

Result<void> Output::failure(Error error) {
  if (error.code != ErrorCode::kCancelled) error.origin = origin_;
  return std::unexpected(error);
}

void Output::stop() {
  failed_ = true;
  queue_.clear();
  changed_.notify();
}

Result<void> Output::written(Result<void> result) {
  writing_ = false;
  if (result) {
    owner_.output_moved();
  } else {
    stop();  // nobody knows how much of it has left
    result = failure(result.error());
    owner_.output_failed(result.error());
  }
  changed_.notify();
  return result;
}

void Output::free_idle_buffers() {
  if (queue_.empty() && queue_.capacity() > kKeptBytes) std::string().swap(queue_);
  if (!writing_ && sending_.capacity() > kKeptBytes) std::string().swap(sending_);
}

}  // namespace culvert::waypoint
