#include "endpoint.hpp"

#include <algorithm>
#include <array>
#include <cerrno>

namespace culvert::sim {
namespace {

constexpr std::size_t kChunk = 16U << 10;

// Byte `at` of what one end of connection `id` sends.
std::uint8_t pattern(std::uint32_t id, bool client, std::uint64_t at) {
  const std::uint64_t mixed = (at + 1) * 0x9e3779b97f4a7c15 ^ (std::uint64_t{id} << 1 | client);
  return static_cast<std::uint8_t>(mixed * 0xbf58476d1ce4e5b9 >> 56);
}

}  // namespace

void Endpoint::take(SocketPtr socket) {
  socket_ = std::move(socket);
  started_ = true;
  socket_->on_change = [this] { pump(); };
  pump();
}

void Endpoint::pump() {
  if (!over_) read_some();
  if (!over_) write_some();
}

void Endpoint::read_some() {
  std::array<std::uint8_t, kChunk> memory;
  while (!over_ && !pausing_ && !saw_end_) {
    const ssize_t count = network_.receive(*socket_, memory);
    if (count == -EAGAIN) return;
    if (count < 0) {
      saw_reset_ = true;
      return close();
    }
    if (count == 0) {
      saw_end_ = true;
      if (finished_ || (plan_.end == Plan::End::kAfterPeer && sent_ == plan_.bytes)) close();
      return;
    }
    check(std::span(memory).first(static_cast<std::size_t>(count)));
    if (pauses_left_ > 0 && plan_.pause > Time{}) {
      --pauses_left_;
      pausing_ = true;
      network_.scheduler().after(plan_.pause, [this] {
        pausing_ = false;
        pump();
      });
    }
  }
}

void Endpoint::check(std::span<const std::uint8_t> bytes) {
  for (const std::uint8_t byte : bytes) {
    if (byte != pattern(id_, !client_, received_)) {
      violation("connection " + std::to_string(id_) + ": byte " + std::to_string(received_) +
                (client_ ? " at the client" : " at the server") + " is wrong");
    }
    ++received_;
  }
}

void Endpoint::write_some() {
  std::array<std::uint8_t, kChunk> memory;
  while (!over_ && sent_ < plan_.bytes) {
    const std::size_t size = std::min<std::uint64_t>(kChunk, plan_.bytes - sent_);
    for (std::size_t i = 0; i < size; ++i) memory[i] = pattern(id_, client_, sent_ + i);
    const ssize_t count = network_.send(*socket_, std::span(memory).first(size));
    if (count == -EAGAIN) return;
    if (count < 0) {
      saw_reset_ = true;
      return close();
    }
    sent_ += static_cast<std::uint64_t>(count);
  }
  if (!over_ && !finished_) after_last_byte();
}

void Endpoint::after_last_byte() {
  switch (plan_.end) {
    case Plan::End::kFinish:
      network_.shut_down_sending(*socket_);
      finished_ = true;
      if (saw_end_) close();
      return;
    case Plan::End::kAfterPeer:
      if (saw_end_) close();
      return;
    case Plan::End::kReset:
      socket_->reset_on_close = true;
      [[fallthrough]];
    case Plan::End::kClose:
      close();
  }
}

void Endpoint::close() {
  over_ = true;
  const bool in_order = !socket_->reset_on_close && socket_->received.empty() && !socket_->reset;
  finished_ = finished_ || in_order;
  const SocketPtr socket = std::move(socket_);
  network_.close(socket->fd);
}

std::string Endpoint::describe() const {
  return std::string(client_ ? "client" : "server") + (started_ ? "" : " never connected") +
         (over_ ? " over" : " OPEN") + (finished_ ? " finished" : "") + (saw_end_ ? " end" : "") +
         (saw_reset_ ? " reset" : "") + " sent " + std::to_string(sent_) + "/" +
         std::to_string(plan_.bytes) + " received " + std::to_string(received_);
}

}  // namespace culvert::sim
