// The traceparent header: 55 bytes of version 00 are exactly what is written back.
#include "culvert/hbone/traceparent.hpp"

#include <algorithm>
#include <cstring>

#include "property.hpp"

using namespace culvert;
using fuzz::require;
using hbone::TraceParent;

namespace {

bool has_ids(const TraceParent& parent) {
  const auto zero = [](std::uint8_t byte) { return byte == 0; };
  return !std::ranges::all_of(parent.trace_id, zero) &&
         !std::ranges::all_of(parent.parent_id, zero);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = fuzz::text_of({data, size});
  if (const auto parsed = TraceParent::parse(text)) {
    require(has_ids(*parsed), "no id is all zeros");
    const auto written = parsed->to_string();
    require(TraceParent::parse(written) == parsed, "what was written is read as it was");
    if (text.starts_with("00")) require(written == text, "version 00 has one form");
  }
  std::uint64_t words[3] = {};
  std::memcpy(words, data, std::min(size, sizeof words));
  const auto made = TraceParent::from_random(words[0], words[1], words[2]);
  require(has_ids(made) && TraceParent::parse(made.to_string()) == made,
          "every random id can be sent");
  return 0;
}
