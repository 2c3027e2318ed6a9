#include "culvert/base/log.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <ctime>
#include <iterator>
#include <string>

namespace culvert::log {
namespace {

std::atomic<int> g_level{static_cast<int>(Level::kInfo)};
std::atomic<const char*> g_component{"culvert"};
constexpr std::size_t kHeadBytes = 64;  // about what stands before a line's text
constexpr std::array<const char*, 4> kLevelNames{"error", "warn", "info", "debug"};

bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

void append_escaped(std::string& out, std::string_view text) {
  while (!text.empty()) {
    const auto plain =
        static_cast<std::size_t>(std::ranges::find_if(text, is_control) - text.begin());
    out.append(text.substr(0, plain));
    if (plain == text.size()) return;
    fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<unsigned char>(text[plain]));
    text.remove_prefix(plain + 1);
  }
}

// "2026-01-02T03:04:05.": the same for a second's lines, so kept for the next one of the thread.
std::string_view to_the_second(std::time_t seconds) {
  thread_local std::time_t kept = -1;
  thread_local std::string text;
  if (seconds != kept) {
    tm parts{};
    gmtime_r(&seconds, &parts);
    text = fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.", parts.tm_year + 1900,
                       parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
    kept = seconds;
  }
  return text;
}

}  // namespace

void set_level(Level level) {
  g_level.store(static_cast<int>(level), std::memory_order_relaxed);
}
Level level() {
  return static_cast<Level>(g_level.load(std::memory_order_relaxed));
}
void set_component(const char* name) {
  g_component.store(name, std::memory_order_relaxed);
}

std::optional<Level> parse_level(std::string_view text) {
  for (std::size_t i = 0; i < kLevelNames.size(); ++i) {
    if (text == kLevelNames[i]) return static_cast<Level>(i);
  }
  return std::nullopt;
}

std::string format_line(Level level, std::string_view text) {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  std::string line;
  line.reserve(kHeadBytes + text.size());
  line.append(to_the_second(now.tv_sec));
  fmt::format_to(std::back_inserter(line), "{:06}Z {} {}: ", now.tv_nsec / 1000,
                 kLevelNames[static_cast<std::size_t>(level)],
                 g_component.load(std::memory_order_relaxed));
  append_escaped(line, text);
  line.push_back('\n');
  return line;
}

void write(Level level, std::string_view text) {
  const std::string line = format_line(level, text);
  [[maybe_unused]] const auto n = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace culvert::log
