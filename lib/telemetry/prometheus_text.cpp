// Prometheus text.
#include "culvert/telemetry/prometheus_text.hpp"

#include <fmt/format.h>

#include <iterator>

namespace culvert::telemetry {

void append_label(std::string& out, std::string_view name, std::string_view value) {
  if (!out.empty()) out += ',';
  out.append(name).append("=\"");
  for (const char c : value.substr(0, kMaxLabelValueBytes)) {
    switch (c) {
      case '\\':
        out += "\\\\";
        break;
      case '"':
        out += "\\\"";
        break;
      case '\n':
        out += "\\n";
        break;
      default:
        out += c >= ' ' && c <= '~' ? c : '?';
    }
  }
  out += '"';
}

void PrometheusText::family(std::string_view name, std::string_view help, Type type) {
  name_ = name;
  fmt::format_to(std::back_inserter(text_), "# HELP {} {}\n# TYPE {} {}\n", name, help, name,
                 type == Type::kCounter ? "counter" : "gauge");
}

void PrometheusText::sample(std::string_view labels, std::uint64_t value) {
  text_ += name_;
  if (!labels.empty()) text_.append("{").append(labels).append("}");
  fmt::format_to(std::back_inserter(text_), " {}\n", value);
}

}  // namespace culvert::telemetry
