// The labels of Istio's HTTP metrics, in Istio's order.
#include <fmt/format.h>

#include <array>

#include "culvert/telemetry/request_metrics.hpp"

namespace culvert::telemetry {
namespace {

using Record = ExchangeRecord;
using View = std::string_view;

struct Label {
  View name;
  View (*value)(const Record&);
};

View or_other(const std::string& value, const std::string& other) {
  return value.empty() ? other : value;
}

constexpr View kReporter = "waypoint";
// Of both ends and of what was addressed. The answer's own labels follow.
constexpr std::array kLabels{
    Label{"reporter", [](const Record&) -> View { return kReporter; }},
    Label{"source_workload", [](const Record& r) -> View { return r.source->workload; }},
    Label{"source_canonical_service",
          [](const Record& r) -> View { return r.source->canonical_service; }},
    Label{"source_canonical_revision",
          [](const Record& r) -> View { return r.source->canonical_revision; }},
    Label{"source_workload_namespace",
          [](const Record& r) -> View { return r.source->namespace_name; }},
    Label{"source_principal", [](const Record& r) -> View { return r.source->identity; }},
    Label{"source_app",
          [](const Record& r) { return or_other(r.source->app, r.source->canonical_service); }},
    Label{
        "source_version",
        [](const Record& r) { return or_other(r.source->version, r.source->canonical_revision); }},
    Label{"source_cluster", [](const Record& r) -> View { return r.source->cluster; }},
    Label{"destination_workload", [](const Record& r) -> View { return r.destination->workload; }},
    Label{"destination_canonical_service",
          [](const Record& r) -> View { return r.destination->canonical_service; }},
    Label{"destination_canonical_revision",
          [](const Record& r) -> View { return r.destination->canonical_revision; }},
    Label{"destination_workload_namespace",
          [](const Record& r) -> View { return r.destination->namespace_name; }},
    Label{"destination_principal", [](const Record& r) -> View { return r.destination->identity; }},
    Label{"destination_app",
          [](const Record& r) {
            return or_other(r.destination->app, r.destination->canonical_service);
          }},
    Label{"destination_version",
          [](const Record& r) {
            return or_other(r.destination->version, r.destination->canonical_revision);
          }},
    Label{"destination_service", [](const Record& r) -> View { return r.service->hostname; }},
    Label{"destination_service_name", [](const Record& r) -> View { return r.service->name; }},
    Label{"destination_service_namespace",
          [](const Record& r) -> View { return r.service->namespace_name; }},
    Label{"destination_cluster", [](const Record& r) -> View { return r.destination->cluster; }},
    Label{"request_protocol", [](const Record& r) -> View { return r.grpc ? "grpc" : "http"; }},
    Label{"connection_security_policy",
          [](const Record& r) -> View { return r.mutual_tls ? "mutual_tls" : "none"; }},
};
constexpr std::array<View, 3> kOfTheAnswer{"response_code", "grpc_response_status",
                                           "response_flags"};
constexpr std::size_t kUsualBytes = 1024;  // of a label set

}  // namespace

const std::vector<std::string_view>& request_label_names() {
  static const std::vector<std::string_view> names = [] {
    std::vector<std::string_view> out;
    for (const auto& label : kLabels) out.push_back(label.name);
    out.insert(out.end(), kOfTheAnswer.begin(), kOfTheAnswer.end());
    return out;
  }();
  return names;
}

std::string request_labels(const ExchangeRecord& record) {
  std::string out;
  out.reserve(kUsualBytes);
  for (const auto& label : kLabels) {
    const View value = label.value(record);
    append_label(out, label.name, value.empty() ? "unknown" : value);
  }
  append_label(out, kOfTheAnswer[0], fmt::format_int(record.status).str());
  const bool known = record.grpc && record.grpc_status.has_value();
  append_label(out, kOfTheAnswer[1], known ? fmt::format_int(*record.grpc_status).str() : "");
  append_label(out, kOfTheAnswer[2], record.all_flags().to_string());
  return out;
}

std::string request_overflow_labels() {
  std::string out;
  for (const auto name : request_label_names()) {
    append_label(out, name, name == "reporter" ? kReporter : "overflow");
  }
  return out;
}

}  // namespace culvert::telemetry
