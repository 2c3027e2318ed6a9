// The pods of this node as the agent announces them: opens their listeners, gives them to the
// workers, offers them in the capture maps, and takes them back. On the control loop's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "culvert/bpf/socket_maps.hpp"
#include "ztunnel/pods/listeners.hpp"
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
  /// are refused. kClosed after leave_slots(): no pod is taken any more.
  Result<void> add(std::string uid, std::string ns, std::string name, std::string service_account,
                   UniqueFd netns);
  /// Ends the pod's connections and closes its sockets. Unknown uids have no effect.
  void remove(const std::string& uid);
  /// Removes every pod whose uid is not in `keep`.
  void retain(const std::vector<std::string>& keep);

  // Who gets the pods' connections: us, once offer_all() was called.
  /// Before any pod: until offer_all(), a pod that another ztunnel serves is left to it.
  void hold_back() { hold_back_ = true; }
  /// Puts our listeners into the slots of every pod, whoever has them; pods that come later are
  /// offered at once. Also takes back what a successor took. The first failure; the others are
  /// offered nevertheless.
  Result<void> offer_all();
  /// Empties the slots that we filled: new connections are refused. Then as leave_slots().
  void withdraw();
  /// From now on the slots are somebody else's (or empty) and stay as they are.
  void leave_slots() { left_ = true; }
  /// Lets go of the listeners: they close when the workers let go of them too.
  void close_listeners();

  std::vector<PodPtr> pods() const;
  /// Pods taken over and given up since the start.
  std::uint64_t started() const { return started_; }
  std::uint64_t stopped() const { return stopped_; }
  bool contains(const std::string& uid) const { return pods_.contains(uid); }
  std::string identity_of(const Pod& pod) const;

 private:
  struct Held {
    PodPtr pod;
    ListenersPtr listeners;
    bool offered = false;
  };
  bool served_by_another(const Pod& pod) const;
  void give_to_workers(const Held& held, unsigned count);
  void empty_slots(const Pod& pod);

  const Settings& settings_;
  bpf::SocketMaps& maps_;
  std::vector<std::unique_ptr<Worker>>& workers_;
  IdentityChange wanted_;
  IdentityChange unwanted_;
  bool hold_back_ = false;
  bool left_ = false;
  std::map<std::string, Held> pods_;
  std::uint64_t started_ = 0;
  std::uint64_t stopped_ = 0;
};

}  // namespace culvert::ztunnel
