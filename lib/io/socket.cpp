#include "culvert/io/socket.hpp"

#include <sys/un.h>

#include <cerrno>
#include <cstring>

namespace culvert::io {

namespace {

constexpr std::size_t kScarcePart = 4;  // fewer free buffers than one in so many: copy out

}  // namespace

PooledBuffer::PooledBuffer(Loop& loop, std::uint16_t id, std::span<std::uint8_t> bytes)
    : loop_(&loop), id_(id), bytes_(bytes) {
  Backend& backend = loop.backend();
  if (backend.free_buffers() * kScarcePart >= backend.buffer_count()) return;
  own_ = std::make_unique_for_overwrite<std::uint8_t[]>(bytes.size());
  std::memcpy(own_.get(), bytes.data(), bytes.size());
  bytes_ = {own_.get(), bytes.size()};
  std::exchange(loop_, nullptr)->backend().return_buffer(id_);
}

void PooledBuffer::release() {
  if (loop_ != nullptr) std::exchange(loop_, nullptr)->backend().return_buffer(id_);
  own_.reset();
  bytes_ = {};
}

bool SocketOperation::begin() {
  if (fiber_->stopping) {
    stop_ = Stop::kCancelled;
    result_ = -ECANCELED;
    return false;
  }
  Loop& loop = Loop::current();
  fiber_->waiting_for = this;
  loop.timers().add(*this, deadline_);
  restart();
  return true;
}

void SocketOperation::restart() {
  in_backend_ = true;
  Loop::current().backend().start(*this);
}

void SocketOperation::complete(std::int32_t result, std::uint16_t buffer_id) {
  in_backend_ = false;
  result_ = result;
  buffer_id_ = buffer_id;
  if (stop_ == Stop::kNo && goes_on(result)) return;
  finish();
}

void SocketOperation::finish() {
  Loop& loop = Loop::current();
  loop.timers().remove(*this);
  fiber_->waiting_for = nullptr;
  loop.ready(waiter_);
}

void SocketOperation::cancel() {
  if (stop_ != Stop::kNo) return;
  stop_ = Stop::kCancelled;
  if (in_backend_) Loop::current().backend().cancel(*this);
}

void SocketOperation::expired() {
  if (stop_ != Stop::kNo) return;
  stop_ = Stop::kTimeout;
  if (in_backend_) Loop::current().backend().cancel(*this);
}

std::unexpected<Error> SocketOperation::failure(const char* text) const {
  if (result_ == -ECANCELED || result_ == -EINTR) {
    if (stop_ == Stop::kTimeout) return fail(ErrorCode::kTimeout, text);
    if (stop_ == Stop::kCancelled) return fail(ErrorCode::kCancelled, text);
  }
  // TCP gave the connection up (tcp(7)): no deadline of ours, behind which one could go on.
  if (result_ == -ETIMEDOUT && kind != IoKind::kConnect) {
    return std::unexpected(Error{ErrorCode::kReset, Origin::kLocal, ETIMEDOUT, text});
  }
  return fail_errno(-result_, text);
}

accept::accept(int listener, Deadline deadline) : SocketOperation(deadline) {
  kind = IoKind::kAccept;
  fd = listener;
  address = reinterpret_cast<sockaddr*>(&storage_);
  address_size = &storage_size_;
}

Result<Accepted> accept::await_resume() {
  if (failed()) return failure("accept");
  Accepted out{UniqueFd(result_), {}};
  out.peer = SocketAddress::from_sockaddr(reinterpret_cast<sockaddr*>(&storage_))
                 .value_or(SocketAddress{});
  return out;
}

connect::connect(int socket, const SocketAddress& to, Deadline deadline)
    : SocketOperation(deadline) {
  kind = IoKind::kConnect;
  fd = socket;
  connect_size = to.to_sockaddr(storage_);
  address = reinterpret_cast<sockaddr*>(&storage_);
}

connect::connect(int socket, const char* unix_path, Deadline deadline) : SocketOperation(deadline) {
  kind = IoKind::kConnect;
  fd = socket;
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  connect_size = 0;  // of a path that does not fit, which the kernel answers with EINVAL
  if (std::strlen(unix_path) < sizeof to.sun_path) {
    std::strcpy(to.sun_path, unix_path);
    connect_size = sizeof to;
  }
  std::memcpy(&storage_, &to, sizeof to);
  address = reinterpret_cast<sockaddr*>(&storage_);
}

Result<void> connect::await_resume() {
  if (failed()) return failure("connect");
  return {};
}

recv::recv(int socket, Deadline deadline) : SocketOperation(deadline) {
  kind = IoKind::kRecvPooled;
  fd = socket;
}

bool recv::goes_on(std::int32_t result) {
  if (result != -ENOBUFS) return false;
  waiting_for_buffer_ = true;
  Loop::current().wait_for_buffer(*this);
  return true;
}

void recv::buffer_returned() {
  waiting_for_buffer_ = false;
  restart();
}

void recv::leave_buffer_queue(Stop why) {
  waiting_for_buffer_ = false;
  Loop::current().forget_buffer_waiter(*this);
  stop_ = why;
  result_ = -ECANCELED;
  finish();
}

void recv::cancel() {
  if (waiting_for_buffer_) return leave_buffer_queue(Stop::kCancelled);
  SocketOperation::cancel();
}

void recv::expired() {
  if (waiting_for_buffer_) return leave_buffer_queue(Stop::kTimeout);
  SocketOperation::expired();
}

Result<PooledBuffer> recv::await_resume() {
  if (failed()) return failure("receive");
  if (result_ == 0) {
    return PooledBuffer();
  }
  Loop& loop = Loop::current();
  const auto bytes = loop.backend().buffer(buffer_id_).first(static_cast<std::size_t>(result_));
  return PooledBuffer(loop, buffer_id_, bytes);
}

recv_into::recv_into(int socket, std::span<std::uint8_t> into, Deadline deadline)
    : SocketOperation(deadline) {
  kind = IoKind::kRecv;
  fd = socket;
  data = into.data();
  size = into.size();
}

Result<std::size_t> recv_into::await_resume() {
  if (failed()) return failure("receive");
  return static_cast<std::size_t>(result_);
}

send::send(int socket, std::span<const std::uint8_t> bytes, Deadline deadline)
    : SocketOperation(deadline) {
  kind = IoKind::kSend;
  fd = socket;
  flags = MSG_NOSIGNAL;
  data = const_cast<std::uint8_t*>(bytes.data());
  size = bytes.size();
}

bool send::goes_on(std::int32_t result) {
  if (result <= 0 || static_cast<std::size_t>(result) >= size) return false;
  data = static_cast<std::uint8_t*>(data) + result;
  size -= static_cast<std::size_t>(result);
  restart();
  return true;
}

Result<void> send::await_resume() {
  if (failed()) return failure("send");
  // A stop that met a short send: what is left was not sent.
  if (static_cast<std::size_t>(result_) < size) {
    return fail(stop_ == Stop::kTimeout ? ErrorCode::kTimeout : ErrorCode::kCancelled, "send");
  }
  return {};
}

read::read(int file, std::span<std::uint8_t> into, Deadline deadline) : SocketOperation(deadline) {
  kind = IoKind::kRead;
  fd = file;
  data = into.data();
  size = into.size();
}

Result<std::size_t> read::await_resume() {
  if (failed()) return failure("read");
  return static_cast<std::size_t>(result_);
}

poll::poll(int file, int mask, Deadline deadline) : SocketOperation(deadline) {
  kind = IoKind::kPoll;
  fd = file;
  flags = mask;
}

Result<int> poll::await_resume() {
  if (failed()) return failure("poll");
  return result_;
}

}  // namespace culvert::io
