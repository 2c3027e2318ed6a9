// The baggage header: what is read can be written and read again, and strangers' members do no
// harm.
#include "culvert/hbone/baggage.hpp"

#include <algorithm>

#include "property.hpp"

using namespace culvert;
using fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto baggage = hbone::parse_baggage(text);
  if (!baggage) return 0;
  for (const std::string* value :
       {&baggage->cluster, &baggage->namespace_name, &baggage->workload, &baggage->service,
        &baggage->revision, &baggage->region, &baggage->zone}) {
    require(value->size() <= hbone::kMaxBaggageValueBytes, "values are bounded");
    require(std::ranges::none_of(*value, [](unsigned char c) { return c < ' ' || c == 0x7f; }),
            "values have no control bytes");
  }
  require(baggage->workload.empty() == baggage->workload_type.empty(),
          "a workload has a type, and only it");
  const auto encoded = hbone::encode_baggage(*baggage);
  const auto again = hbone::parse_baggage(encoded);
  require(again && *again == *baggage, "what was written is read as it was");
  require(hbone::encode_baggage(*again) == encoded, "equal baggage is written alike");
  const auto with_stranger = hbone::parse_baggage(text + ",unknown=member;property");
  if (with_stranger) require(*with_stranger == *baggage, "an unknown member changes nothing");
  return 0;
}
