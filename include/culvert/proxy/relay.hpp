// Joins two ends until both directions have ended. Half-close and reset are handled here and
// nowhere else: an end of stream is passed on as one, and only that direction ends; a failure of
// either direction cuts both ends, so that a cut is never taken for an end.
#pragma once

#include <coroutine>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include "culvert/io/scope.hpp"
#include "culvert/io/socket.hpp"

namespace culvert::proxy {

/// Counted while it runs, so that others may look.
struct RelayCounters {
  std::uint64_t forward_bytes = 0;  // from the first end to the second
  std::uint64_t backward_bytes = 0;
};

namespace detail {

inline std::span<const std::uint8_t> bytes_of(const io::PooledBuffer& part) {
  return part.bytes();
}
/// Nothing came, although somebody was woken: read again.
inline bool is_nothing(const io::PooledBuffer&) {
  return false;
}

/// What both directions tell each other.
struct Ending {
  void fail(const Error& why) {
    if (!failure) failure = why;
    scope->request_stop();
  }
  io::Scope* scope;
  std::optional<Error> failure;
  bool one_ended = false;  // a direction has, in order
};

// One direction. The idle read of a joined connection has no deadline, nor has a write to a peer
// that does not read: TCP keep-alive and HTTP/2 PING guard both. An idle connection is two frames
// of this, so they hold no more than must be.
template <class From, class To>
io::Scope::Child pump(From* from, To* to, std::uint64_t* bytes, Ending* ending) {
  while (true) {
    auto part = co_await from->read(io::kNoDeadline);
    if (!part) co_return ending->fail(part.error());
    if (is_nothing(*part)) continue;
    if (part->empty()) co_return to->finish(std::exchange(ending->one_ended, true));
    const std::size_t size = bytes_of(*part).size();
    const auto written = co_await to->write(bytes_of(*part), io::kNoDeadline);
    from->passed_on(*part);
    if (!written) co_return ending->fail(written.error());
    *bytes += size;
  }
}

}  // namespace detail

/// `co_await relay(a, b, counters, scope)`: both ends and `scope`, which holds the two directions
/// and belongs to this connection alone, outlive it; whoever stops the scope cuts the connection.
/// nullopt: both directions ended in order. Otherwise the first failure, with both ends reset;
/// kCancelled when the relay was stopped.
///
/// An end's finish(last) passes an end of stream on; `last`: the other direction has ended before,
/// and the end's owner closes it when the relay is over.
template <class A, class B>
class [[nodiscard]] relay {
 public:
  relay(A* a, B* b, RelayCounters* counters, io::Scope* scope)
      : a_(a), b_(b), counters_(counters), ending_{scope, std::nullopt}, join_(scope->join()) {}
  relay(const relay&) = delete;
  relay& operator=(const relay&) = delete;

  bool await_ready() const noexcept { return false; }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> connection) {
    ending_.scope->spawn(detail::pump<A, B>, a_, b_, &counters_->forward_bytes, &ending_);
    ending_.scope->spawn(detail::pump<B, A>, b_, a_, &counters_->backward_bytes, &ending_);
    if (join_.await_ready()) return false;  // it was stopped before
    join_.await_suspend(connection);
    return true;
  }
  std::optional<Error> await_resume() {
    join_.await_resume();
    if (ending_.scope->stopping() && !ending_.failure) {
      ending_.failure = Error{ErrorCode::kCancelled, Origin::kLocal, 0, "relay"};
    }
    if (ending_.failure) {
      a_->reset();
      b_->reset();
    }
    return ending_.failure;
  }

 private:
  A* const a_;
  B* const b_;
  RelayCounters* const counters_;
  detail::Ending ending_;
  decltype(std::declval<io::Scope&>().join()) join_;
};

}  // namespace culvert::proxy
