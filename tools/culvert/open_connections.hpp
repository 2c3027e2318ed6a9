// Connections like the one that somebody asks `culvert explain` about, which ztunnels carry now:
// from their GET /connections, those that drain beside a successor included.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "culvert/explain/explain.hpp"
#include "culvert/mesh_source.hpp"

namespace culvert::cli {

/// Younger connections than the configuration by less than this may have been decided by the
/// earlier one, which nodes had until they took this.
inline constexpr std::chrono::seconds kSettling{2};

/// Alike ones: of one process, direction, way, endpoint and source identity.
struct OpenConnections {
  std::string node;
  std::string ztunnel;    // "serving", or "draining 1234" with its process id
  std::string direction;  // "outbound", "inbound"
  explain::Path path = explain::Path::kDirect;
  std::string endpoint;  // "shop/web", or an address
  std::string identity;  // of the source, as proven; empty: none
  std::size_t count = 0;
  std::chrono::milliseconds oldest{0}, youngest{0};
  /// The policies' answer to one of them as they are now; absent: they are asked at another node,
  /// or nobody is.
  std::optional<mesh::Verdict> verdict;
};

/// Of one ztunnel's answer, those that go from `from` where `explanation` leads, added to `out`.
/// Pure.
void add_open(const Json& answer, const std::string& node, const std::string& ztunnel,
              const mesh::Snapshot& snapshot, const mesh::Workload& from,
              const explain::Explanation& explanation, std::vector<OpenConnections>& out);

/// What they contradict: `configured_ago` since the configuration was written, nullopt if that is
/// not known. Pure.
std::vector<std::string> contradictions(const explain::Explanation& explanation,
                                        const std::vector<OpenConnections>& open,
                                        std::optional<std::chrono::milliseconds> configured_ago);

/// "3 outbound on east to shop/web by tunnel, for 2 s to 3 min".
std::string open_words(const OpenConnections& open);
Json open_json(const OpenConnections& open);

/// Asks the ztunnels of these nodes. What one does not answer is said in `notes`.
std::vector<OpenConnections> open_connections(const MeshSource& source,
                                              const mesh::Snapshot& snapshot,
                                              const mesh::Workload& from,
                                              const explain::Explanation& explanation,
                                              const std::vector<std::string>& nodes,
                                              std::vector<std::string>& notes);

}  // namespace culvert::cli
