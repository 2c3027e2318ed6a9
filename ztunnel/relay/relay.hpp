// Joins two ends until both directions have ended. Half-close and reset are handled here and
// nowhere else: an end of stream is passed on as one, and only that direction ends; a failure of
// either direction cuts both ends, so that a cut is never taken for an end.
#pragma once

#include <cstdint>
#include <optional>

#include "culvert/io/scope.hpp"
#include "culvert/io/socket.hpp"
#include "culvert/io/task.hpp"

namespace culvert::ztunnel {

/// Counted while it runs, so that others may look.
struct RelayCounters {
  std::uint64_t forward_bytes = 0;  // from the first end to the second
  std::uint64_t backward_bytes = 0;
};

namespace detail {

inline std::span<const std::uint8_t> bytes_of(const io::PooledBuffer& part) {
  return part.bytes();
}
inline std::span<const std::uint8_t> bytes_of(std::span<const std::uint8_t> part) {
  return part;
}

struct Direction {
  std::uint64_t* bytes = nullptr;
  io::Scope* scope = nullptr;
  std::optional<Error>* failure = nullptr;
};

// The idle read of a joined connection has no deadline, nor has a write to a peer that does not
// read: TCP keep-alive and HTTP/2 PING guard both.
template <class From, class To>
io::Task<> pump(From* from, To* to, Direction direction) {
  while (true) {
    auto part = co_await from->read(io::kNoDeadline);
    Result<void> step;
    if (!part) {
      step = std::unexpected(part.error());
    } else if (part->empty()) {
      to->finish();
      co_return;
    } else {
      const std::size_t size = bytes_of(*part).size();
      step = co_await to->write(bytes_of(*part), io::kNoDeadline);
      from->passed_on(*part);
      if (step) *direction.bytes += size;
    }
    if (!step) {
      if (!direction.failure->has_value()) *direction.failure = step.error();
      direction.scope->request_stop();
      co_return;
    }
  }
}

}  // namespace detail

/// Both ends and `scope`, which holds the two directions and belongs to this connection alone,
/// outlive the call; whoever stops the scope cuts the connection. nullopt: both directions ended in
/// order. Otherwise the first failure, with both ends reset; kCancelled when the relay was stopped.
template <class A, class B>
io::Task<std::optional<Error>> relay(A* a, B* b, RelayCounters* counters, io::Scope* scope) {
  std::optional<Error> failure;
  scope->spawn(detail::pump<A, B>, a, b,
               detail::Direction{&counters->forward_bytes, scope, &failure});
  scope->spawn(detail::pump<B, A>, b, a,
               detail::Direction{&counters->backward_bytes, scope, &failure});
  co_await scope->join();
  if (scope->stopping() && !failure)
    failure = Error{ErrorCode::kCancelled, Origin::kLocal, 0, "relay"};
  if (failure) {
    a->reset();
    b->reset();
  }
  co_return failure;
}

template <class A, class B>
io::Task<std::optional<Error>> relay(A* a, B* b, RelayCounters* counters) {
  io::Scope scope;
  co_return co_await relay(a, b, counters, &scope);
}

}  // namespace culvert::ztunnel
