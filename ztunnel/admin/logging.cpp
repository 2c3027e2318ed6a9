#include "ztunnel/admin/logging.hpp"

#include <fmt/format.h>

#include <array>
#include <optional>

namespace culvert::ztunnel {
namespace {

constexpr const char* kText = "text/plain; charset=utf-8";
constexpr const char* kUsage =
    "usage: GET /logging                                  (to see the current levels)\n"
    "       POST /logging?level=LEVEL                     (of both components)\n"
    "       POST /logging?level=ztunnel:LEVEL,access:LEVEL\n"
    "       POST /logging?access_filter=FILTER            (e.g. errors,namespace%3Dshop)\n"
    "       POST /logging?reset                           (as it was started)\n"
    "LEVEL: error, warn, info, debug, trace (as debug); off for access\n";
constexpr std::array<const char*, 4> kNames{"error", "warn", "info", "debug"};

const char* name_of(log::Level level) {
  return kNames[static_cast<std::size_t>(level)];
}

// "info", "access:debug" or "access=debug".
std::expected<void, std::string> set_level(LogSettings& settings, std::string_view clause) {
  const auto separator = clause.find_first_of(":=");
  const bool both = separator == std::string_view::npos;
  const std::string_view component = both ? "" : clause.substr(0, separator);
  const std::string_view text = both ? clause : clause.substr(separator + 1);
  const bool off = text == "off";
  const auto level = log::parse_level(text == "trace" ? "debug" : text);
  if (!both && component != "ztunnel" && component != "access") {
    return std::unexpected(fmt::format("\"{}\" is no component", component));
  }
  if (off && component != "access") return std::unexpected("only access can be off");
  if (!off && !level) return std::unexpected(fmt::format("\"{}\" is no level", text));
  if (component != "access") settings.ztunnel = *level;
  if (component != "ztunnel") {
    settings.access.off = off;
    if (!off) settings.access.level = *level;
  }
  return {};
}

std::string told(const LogSettings& settings) {
  return "current log level is " + settings.to_string() + "\n";
}

}  // namespace

std::string LogSettings::to_string() const {
  std::string out = fmt::format("ztunnel={},access={}", name_of(ztunnel),
                                access.off ? "off" : name_of(access.level));
  if (!access.filter.text().empty()) out += " filter=" + access.filter.text();
  return out;
}

std::expected<LogSettings, std::string> change_log_settings(
    const LogSettings& initial, const LogSettings& current,
    const std::map<std::string, std::string>& query) {
  LogSettings out = query.contains("reset") ? initial : current;
  if (const auto filter = query.find("access_filter"); filter != query.end()) {
    auto parsed = telemetry::AccessFilter::parse(filter->second);
    if (!parsed) return std::unexpected(parsed.error());
    out.access.filter = std::move(*parsed);
  }
  for (const auto& [key, value] : query) {
    if (key != "reset" && key != "access_filter" && key != "level") {
      return std::unexpected(fmt::format("\"{}\" is nothing to change", key));
    }
  }
  const auto level = query.find("level");
  std::string_view clauses;
  if (level != query.end()) clauses = level->second;
  if (level != query.end() && clauses.empty()) return std::unexpected("level is empty");
  while (!clauses.empty()) {
    const auto comma = clauses.find(',');
    if (auto set = set_level(out, clauses.substr(0, comma)); !set) {
      return std::unexpected(set.error());
    }
    clauses = comma == std::string_view::npos ? "" : clauses.substr(comma + 1);
  }
  return out;
}

admin::Response Logging::get() const {
  const std::lock_guard lock(mutex_);
  return {200, told(current_), kText};
}

admin::Response Logging::post(const admin::Request& request) {
  const std::lock_guard lock(mutex_);
  auto changed = change_log_settings(initial_, current_, request.query);
  if (!changed) return {400, changed.error() + "\n" + kUsage, kText};
  current_ = std::move(*changed);
  log::set_level(current_.ztunnel);
  for (const auto& worker : workers_) {
    worker->post(
        [access = current_.access](Worker& self) { self.reporter().set_access_log(access); });
  }
  log::warn("log levels are now {}", current_.to_string());
  return {200, told(current_), kText};
}

}  // namespace culvert::ztunnel
