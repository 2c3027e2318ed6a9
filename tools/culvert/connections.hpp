// A live connection as a ztunnel lists it (GET /connections), for tables and filters. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "culvert/yaml_output.hpp"

namespace culvert::cli {

struct ConnectionFilter {
  std::string pod, ns, path;  // empty: all
  /// Either end may be the pod or in the namespace.
  bool takes(const Json& connection) const;
};

/// PATH, FROM, AS, TO, AS, SENT, RECEIVED, AGE, RTT, RESENT; "-" for what is not known.
std::vector<std::string> connection_cells(const Json& connection);

/// "512 B", "1.5 KiB", "20 MiB".
std::string bytes_words(std::uint64_t bytes);
/// "250 ms", "12 s", "3 min", "5 h", "2 d".
std::string age_words(std::uint64_t milliseconds);

}  // namespace culvert::cli
