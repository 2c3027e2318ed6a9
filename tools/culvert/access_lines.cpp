#include "culvert/access_lines.hpp"

#include <array>
#include <fstream>
#include <nlohmann/json.hpp>

namespace culvert::cli {
namespace {

constexpr std::array<std::string_view, 3> kEvents{"connection opened", "connection complete",
                                                  "connection failed"};

// One value of key=value or key="quoted", from `at` on; `at` then stands behind it.
std::string take_value(std::string_view line, std::size_t& at) {
  if (at >= line.size() || line[at] != '"') {
    const auto end = std::min(line.find(' ', at), line.size());
    std::string out(line.substr(at, end - at));
    at = end;
    return out;
  }
  std::string out;
  for (++at; at < line.size() && line[at] != '"'; ++at) {
    if (line[at] == '\\' && at + 1 < line.size()) ++at;
    out += line[at];
  }
  ++at;
  return out;
}

std::optional<AccessLine> parse_json(std::string_view line) {
  const auto object = nlohmann::json::parse(line, nullptr, false);
  if (!object.is_object()) return std::nullopt;
  AccessLine out;
  for (const auto& [key, value] : object.items())
    out.fields[key] = value.is_string() ? value.get<std::string>() : value.dump();
  out.event = out.field("message");
  out.time = out.field("time");
  return out.field("scope") == "access" ? std::optional(std::move(out)) : std::nullopt;
}

}  // namespace

const std::string& AccessLine::field(const std::string& name) const {
  static const std::string none;
  const auto found = fields.find(name);
  return found == fields.end() ? none : found->second;
}

std::optional<AccessLine> parse_access_line(std::string_view line) {
  if (line.starts_with('{')) return parse_json(line);
  for (const std::string_view event : kEvents) {
    const auto at = line.find(std::string(event) + " src.addr=");
    if (at == std::string_view::npos) continue;
    AccessLine out{.time = std::string(line.substr(0, line.find(' '))),
                   .event = std::string(event),
                   .fields = {}};
    for (auto from = at + event.size(); from < line.size();) {
      const auto start = line.find_first_not_of(' ', from);
      const auto equals = line.find('=', from);
      if (start == std::string_view::npos || equals == std::string_view::npos) break;
      const std::string key(line.substr(start, equals - start));
      from = equals + 1;
      out.fields[key] = take_value(line, from);
    }
    return out;
  }
  return std::nullopt;
}

std::vector<AccessLine> read_access_lines(const std::string& path, std::size_t tail_bytes) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) return {};
  const auto size = static_cast<std::size_t>(file.tellg());
  const bool cut = size > tail_bytes;
  file.seekg(static_cast<std::streamoff>(cut ? size - tail_bytes : 0));
  std::vector<AccessLine> out;
  std::string line;
  if (cut) std::getline(file, line);  // the rest of one that began before
  while (std::getline(file, line))
    if (auto parsed = parse_access_line(line)) out.push_back(std::move(*parsed));
  return out;
}

}  // namespace culvert::cli
