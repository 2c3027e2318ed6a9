// Script: the other end of a connection, whose bytes are the input of a fuzz target. What is
// written to it is dropped.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

#include "culvert/io/byte_stream.hpp"
#include "culvert/io/event.hpp"

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

}  // namespace culvert::fuzz
