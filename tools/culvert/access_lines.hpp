// ztunnel's access log, read back: text or JSON lines into their fields. Pure.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace culvert::cli {

struct AccessLine {
  std::string time;   // as written, RFC 3339
  std::string event;  // "connection opened", "connection complete", "connection failed"
  std::map<std::string, std::string> fields;  // "src.addr", "dst.workload", "error", ...

  /// Empty when the line has no such field.
  const std::string& field(const std::string& name) const;
};

/// nullopt for any other line of the log.
std::optional<AccessLine> parse_access_line(std::string_view line);
/// The access lines among the last `tail_bytes` of a log; empty when it cannot be read.
std::vector<AccessLine> read_access_lines(const std::string& path, std::size_t tail_bytes);

}  // namespace culvert::cli
