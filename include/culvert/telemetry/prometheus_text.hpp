// What is scraped: Prometheus text 0.0.4 or OpenMetrics 1.0.0, of the same calls. Labels with
// escapes, families with HELP and TYPE. Pure; any thread. Everything scraped is written with this.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace culvert::telemetry {

inline constexpr std::size_t kMaxLabelValueBytes = 256;

/// Appends `name="value"`, after a comma when `out` is not empty. Values may be a peer's: they are
/// cut to kMaxLabelValueBytes, bytes outside printable ASCII become '?', and the three characters
/// that the format escapes are escaped.
void append_label(std::string& out, std::string_view name, std::string_view value);

enum class MetricsFormat : std::uint8_t { kText, kOpenMetrics };
/// OpenMetrics where an Accept header (RFC 9110 section 12.5.1) names application/openmetrics-text
/// with a quality above 0; text otherwise, whatever else is asked for.
MetricsFormat metrics_format(std::string_view accept);

class PrometheusText {
 public:
  enum class Type : std::uint8_t { kCounter, kGauge, kSummary, kHistogram };

  explicit PrometheusText(MetricsFormat format = MetricsFormat::kText) : format_(format) {}

  /// Starts a family; its samples follow. `name` and `help` are ours (constants); a counter's name
  /// ends in "_total", which OpenMetrics leaves out of the family's name.
  void family(std::string_view name, std::string_view help, Type type);
  /// `labels` as made by append_label; empty for none.
  void sample(std::string_view labels, std::uint64_t value);
  void sample(std::string_view labels, double value);
  /// The two samples of a kSummary without quantiles.
  void summary(std::string_view labels, double sum, std::uint64_t count);

  /// The samples of a kHistogram: `counts` has one more than `bounds`, for what is beyond them, and
  /// none is added up yet.
  void histogram(std::string_view labels, std::span<const double> bounds,
                 std::span<const std::uint64_t> counts, double sum);

  const char* content_type() const;
  const std::string& text() const { return text_; }
  /// The whole exposition, in OpenMetrics with the "# EOF" that ends one. Called once, last.
  std::string take();

 private:
  void write(std::string_view suffix, std::string_view labels, std::string_view value);
  MetricsFormat format_;
  std::string name_;
  std::string text_;
};

}  // namespace culvert::telemetry
