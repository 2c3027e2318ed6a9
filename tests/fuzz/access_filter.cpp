// Filters of the access log, as --access-filter and /logging take them: total, and what a filter
// lets through follows its terms. Input: two bytes that make connections, then the text.
#include "culvert/telemetry/access_filter.hpp"

#include <utility>

#include "property.hpp"

using namespace culvert;
using fuzz::require;
using telemetry::AccessFilter;

namespace {

constexpr int kConnections = 64;

telemetry::ConnectionRecord record_of(std::uint8_t choice, std::uint8_t flag) {
  telemetry::ConnectionRecord out;
  const int direction = (choice & 1) | ((choice & 8) >> 2);
  out.direction = static_cast<telemetry::Direction>(direction % telemetry::kDirectionCount);
  out.flag = static_cast<telemetry::ResponseFlag>(flag % telemetry::kResponseFlagCount);
  if (out.flag != telemetry::ResponseFlag::kNone) {
    out.outcome = telemetry::Outcome{"refused", ""};
  }
  telemetry::Party source, destination;
  source.namespace_name = (choice & 2) != 0 ? "shop" : "data";
  destination.namespace_name = (choice & 4) != 0 ? "shop" : "bank";
  out.source = std::move(source);
  out.destination = std::move(destination);
  return out;
}

int written(AccessFilter filter, const telemetry::ConnectionRecord& record) {
  int count = 0;
  for (int i = 0; i < kConnections; ++i) count += filter.wants(record) ? 1 : 0;
  return count;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::span<const std::uint8_t> input(data, size);
  const auto choice = fuzz::take_byte(input), flag = fuzz::take_byte(input);
  const auto text = fuzz::text_of(input);
  const auto filter = AccessFilter::parse(text);
  require(filter.has_value() || !filter.error().empty(), "a refusal says why");
  if (!filter) return 0;
  require(text.size() <= telemetry::kMaxFilterBytes, "filters are bounded");
  require(filter->text() == text, "a filter is told as it was given");
  const auto record = record_of(choice, flag);
  const int lines = written(*filter, record);
  const auto again = AccessFilter::parse(text);
  require(again && written(*again, record) == lines, "equal filters let the same through");
  if (text.empty()) require(lines == kConnections, "the empty filter lets everything through");
  if (!record.outcome->error.empty()) {
    require(lines == 0 || lines == kConnections, "failures are not sampled");
  }
  if (record.outcome->error.empty() && text == "errors") require(lines == 0, "errors only");
  return 0;
}
