// The labels of the TCP metrics: Istio's names in Istio's order, and which of them are written.
// Pure; any thread.
#pragma once

#include <bitset>
#include <cstddef>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "culvert/telemetry/connection_record.hpp"

namespace culvert::telemetry {

inline constexpr std::size_t kTrafficLabelCount = 27;

/// Which labels are written. Fewer labels are fewer series: what differs only in a label that is
/// off is counted together.
class LabelSwitches {
 public:
  /// All on.
  LabelSwitches() { on_.set(); }
  /// All on but those named in `list` ("source_principal,source_version"; empty names are skipped).
  /// The error names what is no label and lists those that are.
  static std::expected<LabelSwitches, std::string> without(std::string_view list);
  bool on(std::size_t label) const { return on_[label]; }
  bool operator==(const LabelSwitches&) const = default;

 private:
  std::bitset<kTrafficLabelCount> on_;
};

/// Names of all labels, in the order in which they are written.
const std::vector<std::string_view>& traffic_label_names();

/// The label text of a record; unknown values are "unknown".
std::string traffic_labels(const ConnectionRecord& record, const LabelSwitches& switches = {});
/// The text of the series that stands for all label sets beyond the bound.
std::string overflow_labels(const LabelSwitches& switches = {});

/// The label text of an edge, for TCP health: reporter, and workload and namespace of both ends,
/// as far as they are on.
std::string edge_labels(const ConnectionRecord& record, const LabelSwitches& switches = {});

}  // namespace culvert::telemetry
