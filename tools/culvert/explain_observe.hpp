// What is known of a connection besides its prediction: recent ones like it in the access logs, and
// whether somebody listens at its end.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "culvert/access_lines.hpp"
#include "culvert/explain/explain.hpp"
#include "culvert/mesh_source.hpp"

namespace culvert::cli {

/// How much of each access log is looked through.
inline constexpr std::size_t kLogTailBytes = 256U << 10;

struct RecentConnection {
  std::string time, node, direction;
  explain::Path path = explain::Path::kDirect;
  bool refused = false;  // by whatever: the line has an error
  bool denied = false;   // by a policy, here or at the other end
  bool stale = false;    // the configuration was written since
  std::string endpoint;  // "shop/web"
  std::string error, policy;
};

/// The newest connection of each branch in the logs of its two ends, newest last.
/// `configured_at`: when the configuration was written, as the logs write times; older ones are
/// stale.
std::vector<RecentConnection> recent_connections(const MeshSource& source,
                                                 const mesh::Workload& from,
                                                 const explain::Explanation& explanation,
                                                 const std::string& configured_at);
/// Whether a line tells of a connection like this one. Pure.
bool is_like(const AccessLine& line, const mesh::Workload& from, const explain::Branch& branch);
/// The path that a line shows. Pure.
explain::Path path_of(const AccessLine& line);

/// Whether something in the pod listens at this address; nullopt when the pod cannot be entered.
std::optional<bool> somebody_listens(const MeshSource& source, const mesh::Workload& pod,
                                     const SocketAddress& address);
/// The same from the text of /proc/net/tcp or tcp6 (proc_net(5)). Pure.
bool has_listener(const std::string& proc_net_tcp, const SocketAddress& address);

/// What recent connections under this configuration contradict; empty when nothing does.
std::vector<std::string> contradictions(const explain::Explanation& explanation,
                                        const std::vector<RecentConnection>& recent);

}  // namespace culvert::cli
