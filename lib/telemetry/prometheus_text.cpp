// Prometheus text and OpenMetrics.
#include "culvert/telemetry/prometheus_text.hpp"

#include <fmt/format.h>

#include <array>
#include <cassert>
#include <iterator>

namespace culvert::telemetry {
namespace {

constexpr std::string_view kTotal = "_total";
constexpr std::array<const char*, 4> kTypes{"counter", "gauge", "summary", "histogram"};

std::string_view trim(std::string_view text) {
  while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
  while (text.ends_with(' ') || text.ends_with('\t')) text.remove_suffix(1);
  return text;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

// "q=0", "q=0.0", "q=0.000": not acceptable (RFC 9110 section 12.4.2).
bool refused(std::string_view parameter) {
  if (!parameter.starts_with("q=0")) return false;
  return parameter.find_first_not_of("0.", 2) == std::string_view::npos;
}

}  // namespace

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

MetricsFormat metrics_format(std::string_view accept) {
  while (!accept.empty()) {
    const auto comma = accept.find(',');
    std::string_view range = accept.substr(0, comma);
    accept = comma == std::string_view::npos ? "" : accept.substr(comma + 1);
    const auto end_of_type = range.find(';');
    const bool named = lower(trim(range.substr(0, end_of_type))) == "application/openmetrics-text";
    bool wanted = named;
    while (wanted && range.find(';') != std::string_view::npos) {
      range.remove_prefix(range.find(';') + 1);
      wanted = !refused(lower(trim(range.substr(0, range.find(';')))));
    }
    if (wanted) return MetricsFormat::kOpenMetrics;
  }
  return MetricsFormat::kText;
}

void PrometheusText::family(std::string_view name, std::string_view help, Type type) {
  name_ = name;
  std::string_view shown = name;
  const bool open = format_ == MetricsFormat::kOpenMetrics;
  if (open && type == Type::kCounter && shown.ends_with(kTotal)) shown.remove_suffix(kTotal.size());
  fmt::format_to(std::back_inserter(text_), "# HELP {} {}\n# TYPE {} {}\n", shown, help, shown,
                 kTypes[static_cast<std::size_t>(type)]);
}

void PrometheusText::write(std::string_view suffix, std::string_view labels,
                           std::string_view value) {
  text_.append(name_).append(suffix);
  if (!labels.empty()) text_.append("{").append(labels).append("}");
  text_.append(" ").append(value).append("\n");
}

void PrometheusText::sample(std::string_view labels, std::uint64_t value) {
  write("", labels, fmt::format("{}", value));
}

void PrometheusText::sample(std::string_view labels, double value) {
  write("", labels, fmt::format("{}", value));
}

void PrometheusText::summary(std::string_view labels, double sum, std::uint64_t count) {
  write("_sum", labels, fmt::format("{}", sum));
  write("_count", labels, fmt::format("{}", count));
}

void PrometheusText::histogram(std::string_view labels, std::span<const double> bounds,
                               std::span<const std::uint64_t> counts, double sum) {
  assert(counts.size() == bounds.size() + 1);
  const std::string_view comma = labels.empty() ? "" : ",";
  const auto bucket = [&](std::string_view bound, std::uint64_t count) {
    write("_bucket", fmt::format("{}{}le=\"{}\"", labels, comma, bound), fmt::format("{}", count));
  };
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < bounds.size(); ++i) {
    total += counts[i];
    bucket(fmt::format("{}", bounds[i]), total);
  }
  total += counts.back();
  bucket("+Inf", total);
  summary(labels, sum, total);
}

const char* PrometheusText::content_type() const {
  return format_ == MetricsFormat::kOpenMetrics
             ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
             : "text/plain; version=0.0.4; charset=utf-8";
}

std::string PrometheusText::take() {
  if (format_ == MetricsFormat::kOpenMetrics) text_ += "# EOF\n";
  return std::move(text_);
}

}  // namespace culvert::telemetry
