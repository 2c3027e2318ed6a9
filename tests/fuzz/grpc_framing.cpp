// gRPC's length-prefixed messages: the cut of the bytes does not matter, and memory grows only with
// what arrived. Input: a byte that chooses the cut, then the stream.
#include "culvert/grpc/framing.hpp"

#include <vector>

#include "property.hpp"

using namespace culvert;
using fuzz::require;

namespace {

constexpr std::size_t kMaxMessage = 4096;

struct Outcome {
  std::vector<std::string> messages;
  std::size_t taken = 0;
  bool boundary = true;
  grpc::StatusCode code{};
  bool operator==(const Outcome&) const = default;
};

Outcome read(std::span<const std::uint8_t> stream, std::size_t part_bytes) {
  grpc::Deframer deframer(kMaxMessage);
  Outcome out;
  fuzz::in_parts(stream, part_bytes, [&](std::span<const std::uint8_t> part) {
    while (!part.empty() && deframer.status().ok()) {
      const std::size_t taken = deframer.feed(part);
      require(taken <= part.size(), "no more is taken than there is");
      part = part.subspan(taken);
      out.taken += taken;
      auto message = deframer.next();
      if (message) out.messages.push_back(std::move(*message));
      require(taken > 0 || message || !deframer.status().ok(), "every call makes progress");
    }
  });
  out.boundary = deframer.at_boundary();
  out.code = deframer.status().code;
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::span<const std::uint8_t> input(data, size);
  const std::size_t part = 1 + fuzz::take_byte(input);
  const auto whole = read(input, input.size() + 1);
  require(read(input, part) == whole, "the cut of the bytes does not matter");
  std::string rebuilt;
  for (const auto& message : whole.messages) {
    require(message.size() <= kMaxMessage, "messages are bounded");
    const auto prefix = grpc::frame_prefix(message.size());
    rebuilt.append(prefix.begin(), prefix.end()).append(message);
  }
  require(fuzz::text_of(input).starts_with(rebuilt), "messages are what was sent");
  if (whole.boundary) require(rebuilt.size() == whole.taken, "nothing is lost at a boundary");
  return 0;
}
