// Peer: the other end of a connection that speaks HTTP, whose bytes are the input of a fuzz target;
// and what of heads holds whoever sent them. What is written to it is kept.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "culvert/http/fields.hpp"
#include "culvert/io/byte_stream.hpp"
#include "culvert/io/event.hpp"
#include "culvert/io/loop.hpp"
#include "property.hpp"
#include "script.hpp"

namespace culvert::fuzz {

/// What it says at a time ends with this: the next waits for an answer.
inline constexpr std::string_view kTurnEnd = "\xff\xfe\xff";
/// Turns of the loop: all that can happen by itself has happened then.
inline constexpr int kPatience = 40;

using Says = std::vector<std::span<const std::uint8_t>>;

/// `input` at each kTurnEnd; the last one has the rest.
inline Says split(std::span<const std::uint8_t> input, std::size_t at_most) {
  Says out;
  while (out.size() + 1 < at_most) {
    const auto end = text_of(input).find(kTurnEnd);
    if (end == std::string_view::npos) break;
    out.push_back(input.first(end));
    input = input.subspan(end + kTurnEnd.size());
  }
  out.push_back(input);
  return out;
}

class Peer final : public io::ByteStream {
 public:
  /// `says`, each but maybe the first after something was written; then it waits and closes.
  /// `written` outlives it.
  Peer(Says says, bool speaks_first, std::size_t part, Turns turns, std::string& written)
      : says_(std::move(says)),
        part_(part),
        turns_(turns),
        may_speak_(speaks_first),
        written_(written) {}

  io::Task<Result<std::span<const std::uint8_t>>> read(io::Deadline) override {
    if (turns_ == Turns::kBetween) co_await io::sleep_until(io::Clock::now());
    while (at_ < says_.size() && says_[at_].empty()) ++at_;
    if (at_ == says_.size() || !co_await may_speak()) {
      if (!co_await wait()) co_return fail(ErrorCode::kCancelled, "fuzz");
      co_return std::span<const std::uint8_t>();
    }
    const auto out = says_[at_].first(std::min(part_, says_[at_].size()));
    says_[at_] = says_[at_].subspan(out.size());
    if (says_[at_].empty()) may_speak_ = false;  // what is written from here on answers it
    co_return out;
  }
  io::Task<Result<void>> write(std::span<const std::uint8_t> bytes, io::Deadline) override {
    written_.append(text_of(bytes));
    may_speak_ = true;
    co_return Result<void>();
  }
  io::Task<> finish(io::Deadline) override { co_return; }

 private:
  static io::Task<bool> wait() {
    for (int i = 0; i < kPatience; ++i) {
      if (!co_await io::sleep_until(io::Clock::now())) co_return false;
    }
    co_return true;
  }
  io::Task<bool> may_speak() {
    for (int i = 0; i < kPatience && !may_speak_; ++i) {
      if (!co_await io::sleep_until(io::Clock::now())) co_return false;
    }
    co_return may_speak_;
  }

  Says says_;
  std::size_t at_ = 0;
  std::size_t part_;
  Turns turns_;
  bool may_speak_;
  std::string& written_;
};

/// Of any message that was taken: nothing in it could be read as more than it is, and the
/// connection's own fields are gone.
inline void check_fields(const http::Fields& fields) {
  for (const auto field : fields) {
    require(
        !field.name.empty() &&
            std::ranges::none_of(
                field.name, [](char c) { return (c >= 'A' && c <= 'Z') || c <= ' ' || c == ':'; }),
        "a field's name is a token in lower case");
    require(field.value.find_first_of(std::string_view("\0\r\n", 3)) == std::string::npos,
            "no field breaks a line");
    for (const std::string_view hop : {"connection", "transfer-encoding", "content-length", "host",
                                       "keep-alive", "upgrade", "proxy-connection"}) {
      require(field.name != hop, "a connection's own fields do not go further");
    }
  }
}

/// One line for all that there is.
inline std::string text_of(const http::Fields& fields) {
  std::string out;
  for (const auto field : fields) out.append(field.name).append("=").append(field.value) += '\n';
  return out;
}

}  // namespace culvert::fuzz
