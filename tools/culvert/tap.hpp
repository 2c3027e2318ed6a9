// Requests as a waypoint's GET /tap tells them: which are wanted, and how they are shown. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "culvert/yaml_output.hpp"

namespace culvert::cli {

/// What is empty takes all.
struct TapFilter {
  std::string service;  // host name that was addressed
  std::string pod;      // "NAMESPACE/POD" that answered
  std::string from;     // "NAMESPACE" or "NAMESPACE/POD" of the client
  std::string method;
  std::string path;    // a prefix
  std::string status;  // "503", "5xx"
  bool takes(const Json& request) const;
};
/// Whether a text is such a status.
bool is_tap_status(const std::string& text);

/// A batch, as the page writes it: {"next": N, "lost": M}, then a request a line.
struct TapBatch {
  std::uint64_t next = 0, lost = 0;
  std::vector<Json> requests;
};
/// nullopt when it is no such page.
std::optional<TapBatch> parse_tap(const std::string& page);

/// One line, and one for each attempt where there are several; each with a newline. What a client
/// sent shows no control characters.
std::string tap_text(const Json& request);

}  // namespace culvert::cli
