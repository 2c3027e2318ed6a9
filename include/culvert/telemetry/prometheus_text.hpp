// Prometheus text exposition, version 0.0.4: labels with escapes, families with HELP and TYPE.
// Pure; any thread. Everything that is scraped is written through this.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace culvert::telemetry {

inline constexpr char kPrometheusContentType[] = "text/plain; version=0.0.4; charset=utf-8";
inline constexpr std::size_t kMaxLabelValueBytes = 256;

/// Appends `name="value"`, after a comma when `out` is not empty. Values may be a peer's: they are
/// cut to kMaxLabelValueBytes, bytes outside printable ASCII become '?', and the three characters
/// that the format escapes are escaped.
void append_label(std::string& out, std::string_view name, std::string_view value);

class PrometheusText {
 public:
  enum class Type : std::uint8_t { kCounter, kGauge };

  /// Starts a family; its samples follow. `name` and `help` are ours (constants).
  void family(std::string_view name, std::string_view help, Type type);
  /// `labels` as made by append_label; empty for none.
  void sample(std::string_view labels, std::uint64_t value);
  const std::string& text() const { return text_; }
  std::string take() { return std::move(text_); }

 private:
  std::string name_;
  std::string text_;
};

}  // namespace culvert::telemetry
