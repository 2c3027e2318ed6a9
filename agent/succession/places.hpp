// The listening sockets at which a node's agent is reached. They are handed from agent to agent
// with whatever waits in them, so that who connects at any time is answered by one of the two.
#pragma once

#include <string>

#include "culvert/base/error.hpp"
#include "culvert/base/fd.hpp"

namespace culvert::agent {

struct Place {
  std::string path;   // its Unix socket
  UniqueFd listener;  // listens; close-on-exec
};
struct Places {
  Place admin;  // SOCK_STREAM: pods come and go here
  Place zds;    // SOCK_SEQPACKET: ztunnel connects here
};

inline constexpr int kAdminBacklog = 1024;  // a node's pods (kMaxPods) may all come at once
inline constexpr int kZdsBacklog = 8;

/// Listens at both, where `found` has not the same path open already; what `found` has at another
/// path is closed. Errors as of listen_unix().
Result<Places> open_places(const std::string& admin_path, const std::string& zds_path,
                           Places found);
/// A second descriptor of the same socket.
Result<UniqueFd> copy_of(const UniqueFd& fd);

}  // namespace culvert::agent
