// How a peer says that a call ended, and how long it waits: grpc-message, grpc-status,
// grpc-timeout. What is written is printable and read back as it was. Input: the header's value, or
// the message.
#include "culvert/grpc/status.hpp"

#include <algorithm>

#include "property.hpp"

using namespace culvert;
using fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = fuzz::text_of({data, size});
  const auto read = grpc::decode_message(text);
  require(read.size() <= text.size(), "decoding does not grow");
  for (const auto& message : {std::string(text), read}) {
    const auto wire = grpc::encode_message(message);
    require(std::ranges::all_of(wire, [](char c) { return c >= ' ' && c <= '~'; }),
            "a header's value is printable");
    require(grpc::decode_message(wire) == message, "what was written is read as it was");
  }
  const auto code = grpc::parse_status_code(text);
  require(static_cast<int>(code) < grpc::kStatusCodeCount, "a status is one of the known");
  require(!grpc::status_of_http(text).ok(), "an answer that is not gRPC's is a failure");
  if (const auto timeout = grpc::parse_timeout(text)) {
    require(timeout->count() >= 0, "a time to wait is not negative");
    const auto again = grpc::parse_timeout(grpc::format_timeout(*timeout));
    require(again && *again >= *timeout, "a timeout that is passed on is not shorter");
  }
  return 0;
}
