#include "culvert/tls/stream.hpp"

#include <sys/socket.h>

namespace culvert::tls {

using io::Deadline;
using io::Task;

namespace {

std::span<const std::byte> as_std_bytes(std::span<const std::uint8_t> bytes) {
  return {reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()};
}
std::span<const std::uint8_t> as_octets(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

}  // namespace

// Sends all that the session has produced. One fiber sends at a time; another that comes meanwhile
// (the reader, with an alert or a KeyUpdate answer) waits for its turn, so that records leave in
// order.
Task<Result<void>> Stream::flush(Deadline deadline) {
  while (!session_.output().empty()) {
    if (sender_active_) {
      if (auto woken = co_await sent_.wait(deadline); !woken) co_return woken;
      continue;
    }
    sender_active_ = true;
    sending_ = session_.take_output();
    auto sent = co_await io::send(fd_.get(), as_octets(sending_), deadline);
    sender_active_ = false;
    sent_.notify();
    if (!sent) co_return sent;
  }
  co_return Result<void>();
}

// One receive into the session; what it decrypts is appended to plaintext_.
Task<Result<void>> Stream::feed_once(Deadline deadline) {
  auto part = co_await io::recv(fd_.get(), deadline);
  if (!part) co_return std::unexpected(part.error());
  if (part->empty()) co_return session_.end_of_input();
  auto fed = session_.feed(as_std_bytes(part->bytes()), plaintext_);
  part->release();
  auto flushed = co_await flush(deadline);
  if (!fed) co_return std::unexpected(fed.error());
  co_return flushed;
}

Task<Result<void>> Stream::handshake(Deadline deadline) {
  if (auto sent = co_await flush(deadline); !sent) co_return sent;
  while (session_.progress() == Progress::kHandshaking) {
    if (auto fed = co_await feed_once(deadline); !fed) co_return fed;
  }
  co_return Result<void>();
}

Task<Result<std::span<const std::uint8_t>>> Stream::read(Deadline deadline) {
  given_.clear();
  while (plaintext_.empty()) {
    if (session_.progress() == Progress::kPeerClosed) co_return std::span<const std::uint8_t>();
    auto fed = co_await feed_once(deadline);
    // What was decrypted before a failure is authentic: it is given out first, the failure comes
    // again.
    if (!fed && plaintext_.empty()) co_return std::unexpected(fed.error());
  }
  std::swap(given_, plaintext_);
  co_return as_octets(given_);
}

Task<Result<void>> Stream::write(std::span<const std::uint8_t> bytes, Deadline deadline) {
  if (auto sealed = session_.encrypt(as_std_bytes(bytes)); !sealed) co_return sealed;
  co_return co_await flush(deadline);
}

Task<Result<void>> Stream::write_parts(Parts parts, Deadline deadline) {
  parts_.clear();
  for (const auto part : parts) parts_.push_back(as_std_bytes(part));
  if (auto sealed = session_.encrypt_parts(parts_); !sealed) co_return sealed;
  co_return co_await flush(deadline);
}

// What read() gave out is the caller's until it reads again, and then it is empty.
void Stream::free_idle_buffers() {
  for (std::string* buffer : {&plaintext_, &given_}) {
    if (buffer->empty()) buffer->shrink_to_fit();
  }
  parts_.shrink_to_fit();
  if (!sender_active_) std::string().swap(sending_);
}

Task<> Stream::finish(Deadline deadline) {
  session_.close_notify();
  (void)co_await flush(deadline);
  ::shutdown(fd_.get(), SHUT_WR);
}

}  // namespace culvert::tls
