// Network namespaces by name under /run/netns, as `ip netns` keeps them, so that its commands work
// on a lab's too. setns(2) moves the calling thread: use from a process's only thread.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "culvert/base/fd.hpp"
#include "lab/problem.hpp"

namespace culvert::lab {

using Sysctls = std::vector<std::pair<std::string, std::string>>;  // path below /proc/sys, value

/// Makes and pins a namespace, with loopback up and the settings written. EEXIST is a problem.
Outcome<UniqueFd> create_netns(const std::string& name, const Sysctls& sysctls);
Outcome<UniqueFd> open_netns(const std::string& name);
/// Unpins it; the kernel frees it when its last process and socket are gone. Absence is success.
Outcome<void> delete_netns(const std::string& name);
std::vector<std::string> list_netns();
std::string netns_path(const std::string& name);

/// The calling thread is in another namespace while this lives.
class NetnsScope {
 public:
  static Outcome<NetnsScope> enter(int netns_fd);
  NetnsScope(NetnsScope&&) = default;
  NetnsScope& operator=(NetnsScope&&) = delete;
  ~NetnsScope();

 private:
  explicit NetnsScope(UniqueFd home) : home_(std::move(home)) {}
  UniqueFd home_;
};

}  // namespace culvert::lab
