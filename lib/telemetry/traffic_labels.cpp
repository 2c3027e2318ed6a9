// The table of labels, and the texts made from it.
#include "culvert/telemetry/traffic_labels.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "culvert/telemetry/prometheus_text.hpp"

namespace culvert::telemetry {
namespace {

using Record = ConnectionRecord;
using View = std::string_view;

struct Label {
  View name;
  View (*value)(const Record&);
  bool edge = false;  // also of TCP health
};

View app(const Party& party) {
  return party.app.empty() ? party.canonical_service : party.app;
}
View version(const Party& party) {
  return party.version.empty() ? party.canonical_revision : party.version;
}

// In the order in which Istio's ztunnel writes them.
constexpr std::array<Label, kTrafficLabelCount> kLabels{{
    {"reporter", [](const Record& r) -> View { return reporter_of(r.direction); }, true},
    {"source_workload", [](const Record& r) -> View { return r.source->workload; }, true},
    {"source_canonical_service",
     [](const Record& r) -> View { return r.source->canonical_service; }},
    {"source_canonical_revision",
     [](const Record& r) -> View { return r.source->canonical_revision; }},
    {"source_workload_namespace", [](const Record& r) -> View { return r.source->namespace_name; },
     true},
    {"source_principal", [](const Record& r) -> View { return r.source->identity; }},
    {"source_app", [](const Record& r) -> View { return app(*r.source); }},
    {"source_version", [](const Record& r) -> View { return version(*r.source); }},
    {"source_cluster", [](const Record& r) -> View { return r.source->cluster; }},
    {"destination_service", [](const Record& r) -> View { return r.service->hostname; }},
    {"destination_service_namespace",
     [](const Record& r) -> View { return r.service->namespace_name; }},
    {"destination_service_name", [](const Record& r) -> View { return r.service->name; }},
    {"destination_workload", [](const Record& r) -> View { return r.destination->workload; }, true},
    {"destination_canonical_service",
     [](const Record& r) -> View { return r.destination->canonical_service; }},
    {"destination_canonical_revision",
     [](const Record& r) -> View { return r.destination->canonical_revision; }},
    {"destination_workload_namespace",
     [](const Record& r) -> View { return r.destination->namespace_name; }, true},
    {"destination_principal", [](const Record& r) -> View { return r.destination->identity; }},
    {"destination_app", [](const Record& r) -> View { return app(*r.destination); }},
    {"destination_version", [](const Record& r) -> View { return version(*r.destination); }},
    {"destination_cluster", [](const Record& r) -> View { return r.destination->cluster; }},
    {"request_protocol", [](const Record&) -> View { return "tcp"; }},
    {"response_flags", [](const Record& r) -> View { return to_string(r.flag); }},
    {"connection_security_policy",
     [](const Record& r) -> View { return r.mutual_tls ? "mutual_tls" : "unknown"; }},
    {"source_region", [](const Record& r) -> View { return r.source->region; }},
    {"source_zone", [](const Record& r) -> View { return r.source->zone; }},
    {"destination_region", [](const Record& r) -> View { return r.destination->region; }},
    {"destination_zone", [](const Record& r) -> View { return r.destination->zone; }},
}};

constexpr std::size_t kUsualBytes = 1024;  // of a label set

void append_known(std::string& out, const Label& label, const Record& record) {
  const View value = label.value(record);
  append_label(out, label.name, value.empty() ? "unknown" : value);
}

}  // namespace

const std::vector<std::string_view>& traffic_label_names() {
  static const std::vector<std::string_view> names = [] {
    std::vector<std::string_view> out;
    for (const auto& label : kLabels) out.push_back(label.name);
    return out;
  }();
  return names;
}

std::expected<LabelSwitches, std::string> LabelSwitches::without(std::string_view list) {
  LabelSwitches out;
  while (!list.empty()) {
    const auto comma = list.find(',');
    const std::string_view name = list.substr(0, comma);
    list = comma == std::string_view::npos ? "" : list.substr(comma + 1);
    if (name.empty()) continue;
    const auto* found = std::ranges::find(kLabels, name, &Label::name);
    if (found == kLabels.end()) {
      return std::unexpected(fmt::format("\"{}\" is no label; the labels are {}", name,
                                         fmt::join(traffic_label_names(), ", ")));
    }
    out.on_.reset(static_cast<std::size_t>(found - kLabels.begin()));
  }
  return out;
}

std::string traffic_labels(const ConnectionRecord& record, const LabelSwitches& switches) {
  std::string out;
  out.reserve(kUsualBytes);
  for (std::size_t i = 0; i < kLabels.size(); ++i) {
    if (switches.on(i)) append_known(out, kLabels[i], record);
  }
  out.shrink_to_fit();
  return out;
}

std::string overflow_labels(const LabelSwitches& switches) {
  std::string out;
  for (std::size_t i = 0; i < kLabels.size(); ++i) {
    const bool constant = kLabels[i].name == "request_protocol";
    if (switches.on(i)) append_label(out, kLabels[i].name, constant ? "tcp" : "overflow");
  }
  return out;
}

std::string edge_labels(const ConnectionRecord& record, const LabelSwitches& switches) {
  std::string out;
  for (std::size_t i = 0; i < kLabels.size(); ++i) {
    if (kLabels[i].edge && switches.on(i)) append_known(out, kLabels[i], record);
  }
  return out;
}

}  // namespace culvert::telemetry
