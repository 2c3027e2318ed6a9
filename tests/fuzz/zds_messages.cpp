// ZDS packets, both ways: what was read can be sent, within a packet. Input: a byte that chooses
// the packet's kind, then the packet.
#include "culvert/zds/messages.hpp"

#include <google/protobuf/stubs/logging.h>

#include <algorithm>

#include "property.hpp"

using namespace culvert;
using fuzz::require;

namespace {

void check_request(std::span<const std::byte> packet) {
  const auto request = zds::decode_request(packet);
  if (!request) return;
  const auto encoded = zds::encode(*request);
  require(encoded.has_value(), "what was read can be sent");
  require(encoded->size() <= zds::kMaxPacketBytes, "a request fits into a packet");
  const auto again = zds::decode_request(std::as_bytes(std::span(*encoded)));
  require(again && *again == *request, "what was sent is read as it was");
}

void check_ack(std::span<const std::byte> packet) {
  const auto ack = zds::decode_ack(packet);
  if (!ack) return;
  const auto encoded = zds::encode_ack(ack->error);
  require(encoded.size() <= zds::kMaxPacketBytes, "an ack fits into a packet");
  const auto again = zds::decode_ack(std::as_bytes(std::span(encoded)));
  require(again && again->error.empty() == ack->error.empty(), "a failure stays one");
  require(std::ranges::all_of(again->error, [](char c) { return c >= ' ' && c <= '~'; }),
          "an ack's text is printable");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  google::protobuf::SetLogHandler(nullptr);
  std::span<const std::uint8_t> input(data, size);
  const auto kind = fuzz::take_byte(input);
  const auto packet = std::as_bytes(input);
  if (kind % 3 == 0) check_request(packet);
  if (kind % 3 == 1) check_ack(packet);
  if (kind % 3 == 2 && zds::check_hello(packet)) {
    require(packet.size() >= zds::encode_hello().size(), "a hello says its version");
  }
  return 0;
}
