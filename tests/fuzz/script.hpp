// Script: the other end of a connection, whose bytes are the input of a fuzz target. What is
// written to it is dropped.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

#include "culvert/io/byte_stream.hpp"
#include "culvert/io/event.hpp"
#include "culvert/io/loop.hpp"
#include "property.hpp"

namespace culvert::fuzz {

/// When the fibers of handlers and of the writer run: after all input, or between its parts too.
enum class Turns : std::uint8_t { kAtTheEnd, kBetween };

/// The peer's bytes, `part` at a time, then its end.
class Script final : public io::ByteStream {
 public:
  Script(std::span<const std::uint8_t> bytes, std::size_t part, Turns turns)
      : rest_(bytes), part_(part), turns_(turns) {}

  io::Task<Result<std::span<const std::uint8_t>>> read(io::Deadline) override {
    if (turns_ == Turns::kBetween) co_await io::sleep_until(io::Clock::now());
    const auto out = rest_.first(std::min(part_, rest_.size()));
    rest_ = rest_.subspan(out.size());
    co_return out;
  }
  io::Task<Result<void>> write(std::span<const std::uint8_t>, io::Deadline) override {
    co_return Result<void>();
  }
  io::Task<> finish(io::Deadline) override { co_return; }

 private:
  std::span<const std::uint8_t> rest_;
  std::size_t part_;
  Turns turns_;
};

inline constexpr std::size_t kMaxScriptBytes = 64U << 10;

/// For an input of a byte that chooses the cut and the peer's bytes: runs `check`, which stops the
/// loop when it is done. What a libFuzzer target returns.
inline int run_script(const std::uint8_t* data, std::size_t size,
                      io::Task<> (*check)(io::Loop*, std::span<const std::uint8_t>, std::size_t)) {
  if (size > kMaxScriptBytes) return -1;
  std::span<const std::uint8_t> input(data, size);
  const std::size_t part = 1 + take_byte(input);
  auto loop = io::Loop::create({.ring_entries = 8, .buffers = {.count = 1, .bytes = 4096}});
  require(loop.has_value(), "a loop is made");
  io::Loop* const raw = loop->get();
  raw->post([=] { raw->root().spawn(check, raw, input, part); });
  raw->run();
  return 0;
}

}  // namespace culvert::fuzz
