#include "sim_backend.hpp"

#include <sys/un.h>

#include <algorithm>
#include <cerrno>

#include "culvert/base/ip.hpp"
#include "system_calls.hpp"

namespace culvert::sim {
namespace {

constexpr unsigned kEmptyPoolPerMille = 10;

}  // namespace

SimBackend::SimBackend(Network& network, io::BufferPoolOptions pool)
    : network_(network), pool_(pool), memory_(std::size_t{pool.count} * pool.bytes) {
  for (std::uint16_t id = 0; id < pool.count; ++id) free_.push_back(id);
}

std::span<std::uint8_t> SimBackend::buffer(std::uint16_t id) {
  return std::span(memory_).subspan(std::size_t{id} * pool_.bytes, pool_.bytes);
}

void SimBackend::start(io::IoRequest& request) {
  ++in_flight_;
  queue_.push_back({&request, false});
}

void SimBackend::cancel(io::IoRequest& request) {
  queue_.push_back({&request, true});
}

void SimBackend::submit() {
  for (const Queued& queued : std::exchange(queue_, {})) {
    if (queued.cancel) {
      withdraw(*queued.request);
    } else {
      attempt(*queued.request);
    }
  }
}

void SimBackend::turn(bool wait, io::Deadline until) {
  submit();
  wakes_at_ = !wait ? Time{} : until == io::kNoDeadline ? kNever : simulated_time(until);
  network_.scheduler().hand_over(*this);
  auto batch = std::exchange(completions_, {});
  for (std::size_t i = batch.size(); i > 1; --i) {
    std::swap(batch[i - 1], batch[network_.rng().below(i)]);
  }
  for (const Completion& done : batch) {
    --in_flight_;
    done.request->complete(done.result, done.buffer_id);
  }
}

void SimBackend::finish(io::IoRequest& request, std::int32_t result, std::uint16_t buffer_id) {
  completions_.push_back({&request, result, buffer_id});
}

void SimBackend::retry(io::IoRequest& request) {
  if (request.kind == io::IoKind::kConnect) {
    network_.find(request.fd)->waiting.push_back({this, &request});  // its outcome comes by itself
  } else {
    attempt(request);
  }
}

void SimBackend::attempt(io::IoRequest& request) {
  if (request.kind == io::IoKind::kConnect) return begin_connect(request);
  const SocketPtr socket = network_.find(request.fd);
  std::uint16_t buffer_id = io::kNoBuffer;
  const ssize_t result = attempt_transfer(request, *socket, buffer_id);
  if (result == -EAGAIN) {
    socket->waiting.push_back({this, &request});
  } else {
    finish(request, static_cast<std::int32_t>(result), buffer_id);
  }
}

ssize_t SimBackend::attempt_transfer(io::IoRequest& request, Socket& socket,
                                     std::uint16_t& buffer_id) {
  const std::span<std::uint8_t> memory(static_cast<std::uint8_t*>(request.data), request.size);
  switch (request.kind) {
    case io::IoKind::kAccept: {
      SocketPtr accepted;
      if (const int failed = network_.accept(socket, accepted); failed != 0) return failed;
      sockaddr_storage peer{};
      *request.address_size = accepted->remote.to_sockaddr(peer);
      std::copy_n(reinterpret_cast<const char*>(&peer), *request.address_size,
                  reinterpret_cast<char*>(request.address));
      return accepted->fd;
    }
    case io::IoKind::kRecvPooled: {
      // Some other holder will return a buffer, so that this receive is tried again.
      const bool held = free_.size() < pool_.count;
      if (held && (free_.empty() || network_.rng().chance(kEmptyPoolPerMille))) return -ENOBUFS;
      const ssize_t count = network_.receive(socket, buffer(free_.back()));
      if (count > 0) {
        buffer_id = free_.back();
        free_.pop_back();
      }
      return count;
    }
    case io::IoKind::kRecv:
      return network_.receive(socket, memory);
    case io::IoKind::kSend:
      return network_.send(socket, memory);
    case io::IoKind::kSendMsg: {
      const iovec& first = request.message->msg_iov[0];
      return network_.send(socket, {static_cast<std::uint8_t*>(first.iov_base), first.iov_len});
    }
    case io::IoKind::kRead: {
      if (socket.wakes == 0) return -EAGAIN;
      const std::uint64_t count = std::exchange(socket.wakes, 0);
      std::copy_n(reinterpret_cast<const std::uint8_t*>(&count), sizeof count, memory.begin());
      return sizeof count;
    }
    default:
      violation("the simulation has no such operation");
  }
}

void SimBackend::begin_connect(io::IoRequest& request) {
  const bool named = request.address->sa_family == AF_UNIX;
  const auto to =
      named ? network_.look_up(reinterpret_cast<const sockaddr_un*>(request.address)->sun_path)
            : SocketAddress::from_sockaddr(request.address);
  if (!to) return finish(request, -ENOENT);
  const SocketPtr socket = network_.find(request.fd);
  socket->waiting.push_back({this, &request});  // found there by a cancellation
  network_.connect(socket, *to, [this, socket, &request](int error) {
    const auto removed = std::erase_if(
        socket->waiting, [&](const Waiting& waiting) { return waiting.request == &request; });
    if (removed > 0) finish(request, -error);
  });
}

// A request that has completed already keeps its own result.
void SimBackend::withdraw(io::IoRequest& request) {
  const auto pending = [&](const Completion& done) { return done.request == &request; };
  if (std::ranges::any_of(completions_, pending)) return;
  const SocketPtr socket = network_.find(request.fd);
  const auto removed = std::erase_if(
      socket->waiting, [&](const Waiting& waiting) { return waiting.request == &request; });
  if (removed > 0) finish(request, -ECANCELED);
}

}  // namespace culvert::sim
