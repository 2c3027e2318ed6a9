// The pods of this node as the agent announces them: opens their listeners, gives them to the
// workers, and takes them back. On the control loop's thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "culvert/bpf/socket_maps.hpp"
#include "ztunnel/pods/pod.hpp"
#include "ztunnel/settings.hpp"
#include "ztunnel/worker/worker.hpp"

namespace culvert::ztunnel {

class PodRegistry {
 public:
  using IdentityChange = std::function<void(const std::string& identity)>;

  /// All outlive the registry. `wanted` and `unwanted` are called once a pod with that identity.
  PodRegistry(const Settings& settings, bpf::SocketMaps& maps,
              std::vector<std::unique_ptr<Worker>>& workers, IdentityChange wanted,
              IdentityChange unwanted)
      : settings_(settings),
        maps_(maps),
        workers_(workers),
        wanted_(std::move(wanted)),
        unwanted_(std::move(unwanted)) {}

  /// Takes over the namespace. Idempotent for the same uid and namespace; another namespace under a
  /// known uid replaces the old pod. On failure nothing of the pod remains here and its connections
  /// are refused.
  Result<void> add(std::string uid, std::string ns, std::string name, std::string service_account,
                   UniqueFd netns);
  /// Ends the pod's connections and closes its sockets. Unknown uids have no effect.
  void remove(const std::string& uid);
  /// Removes every pod whose uid is not in `keep`.
  void retain(const std::vector<std::string>& keep);

  std::vector<PodPtr> pods() const;
  bool contains(const std::string& uid) const { return pods_.contains(uid); }
  std::string identity_of(const Pod& pod) const;

 private:
  const Settings& settings_;
  bpf::SocketMaps& maps_;
  std::vector<std::unique_ptr<Worker>>& workers_;
  IdentityChange wanted_;
  IdentityChange unwanted_;
  std::map<std::string, PodPtr> pods_;
};

}  // namespace culvert::ztunnel
