// Log lines on standard error: "2026-01-02T03:04:05.678901Z info ztunnel: text". Any thread; a line
// is one write(2), so lines of several threads never mix.
#pragma once

#include <fmt/format.h>

#include <optional>
#include <string>
#include <string_view>

namespace culvert::log {

enum class Level : int { kError, kWarn, kInfo, kDebug };

/// Lines above this level are not formatted. Default kInfo.
void set_level(Level level);
Level level();
std::optional<Level> parse_level(std::string_view text);
/// The component that every line names, e.g. "agent". Must have static storage.
void set_component(const char* name);
/// Writes one line; `text` is escaped so that it cannot forge a line (control bytes as \xNN).
void write(Level level, std::string_view text);
/// The line that write() writes, with its newline, for those that write elsewhere.
std::string format_line(Level level, std::string_view text);

template <class... Args>
void error(fmt::format_string<Args...> f, Args&&... args) {
  if (level() >= Level::kError) write(Level::kError, fmt::format(f, std::forward<Args>(args)...));
}
template <class... Args>
void warn(fmt::format_string<Args...> f, Args&&... args) {
  if (level() >= Level::kWarn) write(Level::kWarn, fmt::format(f, std::forward<Args>(args)...));
}
template <class... Args>
void info(fmt::format_string<Args...> f, Args&&... args) {
  if (level() >= Level::kInfo) write(Level::kInfo, fmt::format(f, std::forward<Args>(args)...));
}
template <class... Args>
void debug(fmt::format_string<Args...> f, Args&&... args) {
  if (level() >= Level::kDebug) write(Level::kDebug, fmt::format(f, std::forward<Args>(args)...));
}

}  // namespace culvert::log
