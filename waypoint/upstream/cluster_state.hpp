// ClusterState: what a worker knows of one cluster: its endpoints, who of them is busy or ejected,
// and how much is under way. It outlives views; one worker's, on its loop, and what is judged over
// all workers through SharedCluster.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "culvert/l7/balance.hpp"
#include "culvert/l7/random.hpp"
#include "culvert/l7/rule.hpp"
#include "waypoint/http/pool.hpp"
#include "waypoint/upstream/dialer.hpp"
#include "waypoint/upstream/request_window.hpp"
#include "waypoint/upstream/shared_counts.hpp"
#include "waypoint/view.hpp"

namespace culvert::waypoint {

/// One endpoint of a cluster.
struct Host {
  static constexpr std::size_t kUnlisted = SIZE_MAX;

  mesh::WorkloadPtr workload;
  std::uint16_t port = 0;    // of the application
  std::uint32_t weight = 1;  // > 0
  std::uint32_t active_requests = 0;
  std::size_t index = kUnlisted;  // in the cluster's list; kUnlisted once it has left
  /// Not null: the workload is a waypoint of this service, and `port` the service's.
  mesh::ServicePtr behind_waypoint;
};
using HostPtr = std::shared_ptr<Host>;

/// Where a request for the host goes that came by the family of `like`.
Endpoint endpoint_of(const Host& host, const IpAddress& like);

class ClusterState;

/// A request's place at a host, while it lives: counted in the cluster's and the host's active
/// requests.
class HostLease {
 public:
  HostLease(std::shared_ptr<ClusterState> cluster, HostPtr host);
  HostLease(HostLease&& other) noexcept = default;
  HostLease& operator=(HostLease&&) = delete;
  ~HostLease();

  const Host& host() const { return *host_; }
  /// How the request ended, for outlier detection. True when it ejected the host.
  bool record(const l7::EndpointResult& result, l7::Time now);

 private:
  std::shared_ptr<ClusterState> cluster_;
  HostPtr host_;
};

class ClusterState : public std::enable_shared_from_this<ClusterState> {
 public:
  /// `shared`: of the cluster on all workers; null: there is one worker.
  ClusterState(std::string name, const l7::Cluster& cluster, SharedClusterPtr shared = nullptr);

  /// Takes over what `view` says of the cluster: policy and endpoints. Returns the hosts whose
  /// connections must serve nobody new: they have left, or are to be connected to otherwise. Cheap
  /// when neither has changed. `self`: as UpstreamClusters::take_view().
  std::vector<HostPtr> update(const l7::Cluster& cluster, const View& view,
                              const mesh::Workload* self = nullptr);

  struct Wanted {
    std::span<const HostPtr> tried;  // not again, as long as there are others
    mesh::WorkloadPtr only;          // this one and no other, of the cluster or not
    std::uint16_t only_port = 0;
  };
  /// The host that gets the next request; null when none is healthy.
  HostPtr pick(const Wanted& wanted, l7::Random& random, l7::Time now);

  /// Breakers, by the policy in force. False: over a limit (503 UO).
  bool admits_request() const { return requests() < policy_.pool.max_requests; }
  /// A place among the retries, to be given back by end_retry().
  bool begin_retry(l7::Time now);
  void end_retry();
  void count_request(l7::Time now);

  const std::string& name() const { return name_; }
  const std::string& service_key() const { return service_key_; }
  const mesh::ServicePtr& service() const { return service_; }  // null: nobody has it now
  const l7::TrafficPolicy& policy() const { return policy_; }
  const std::shared_ptr<ClusterQuota>& quota() const { return quota_; }
  std::span<const HostPtr> hosts() const { return hosts_; }
  std::uint32_t active_requests() const { return active_requests_; }  // of this worker
  std::size_t ejected() const { return policy_.outlier ? ejections_->ejected() : 0; }
  l7::Time last_used() const { return last_used_; }

 private:
  friend class HostLease;
  struct Candidate {
    mesh::WorkloadPtr workload;
    std::uint16_t port = 0;
    std::uint32_t weight = 1;
    mesh::ServicePtr behind_waypoint;
  };
  std::vector<Candidate> candidates(const View& view) const;
  std::vector<Candidate> waypoint_candidates(const View& view) const;
  std::vector<HostPtr> take_endpoints(const View& view);
  void tell_outlier(const View& view);
  HostPtr pick_only(const Wanted& wanted) const;
  HostPtr pick_filtered(std::span<const HostPtr> tried, l7::Random& random);
  std::optional<std::size_t> draw(std::span<const l7::EndpointLoad> loads, bool all,
                                  l7::Random& random);
  void load_changed(Host& host, int by);
  void learn_usable();
  std::uint32_t requests() const;
  std::uint32_t requests_in_window(l7::Time now, l7::Time interval);

  const std::string name_;
  const SharedClusterPtr shared_;
  std::string service_key_;  // who owns the host may change
  const std::uint16_t service_port_;
  std::string subset_;
  std::map<std::string, std::string> subset_labels_;
  bool behind_waypoint_ = false;
  bool looks_at_waypoints_ = false;  // at an edge: of its pods, which come and go unlike them
  l7::TrafficPolicy policy_;
  std::shared_ptr<ClusterQuota> quota_;

  // What the list of hosts was made of; held, so that no address is used again meanwhile.
  mesh::SnapshotPtr mesh_;
  const mesh::Endpoint* endpoints_ = nullptr;
  mesh::ServicePtr service_;
  std::shared_ptr<const Labels> labels_;

  std::vector<HostPtr> hosts_;           // in the order of their uids
  std::vector<l7::EndpointLoad> loads_;  // of hosts_
  l7::WeightedRoundRobin turns_, turns_of_rest_;
  std::shared_ptr<Ejections> ejections_;
  bool told_outlier_ = false;  // they know the policy and the endpoints
  std::vector<bool> usable_;   // of hosts_, as of a version of the ejections
  std::uint64_t usable_version_ = 0;
  RequestWindow window_;
  std::uint32_t active_requests_ = 0;
  std::atomic<std::uint32_t> active_retries_{0};  // of this worker, where it is the only one
  l7::Time last_used_{0};
};
using ClusterStatePtr = std::shared_ptr<ClusterState>;

}  // namespace culvert::waypoint
