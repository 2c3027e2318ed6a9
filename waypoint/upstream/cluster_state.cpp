#include "waypoint/upstream/cluster_state.hpp"

#include <algorithm>

#include "culvert/mesh/waypoint.hpp"

namespace culvert::waypoint {
namespace {

const l7::TrafficPolicy kDefaultPolicy;

bool has_labels(const LabelMap* labels, const std::map<std::string, std::string>& wanted) {
  if (wanted.empty()) return true;
  return labels != nullptr && std::ranges::all_of(wanted, [&](const auto& one) {
           const auto found = labels->find(one.first);
           return found != labels->end() && found->second == one.second;
         });
}

/// The application's port behind the service's: the endpoint's own mapping first; 0 where neither
/// says it.
std::uint16_t target_port(const mesh::Endpoint& endpoint, const mesh::Service* service,
                          std::uint16_t service_port) {
  const auto own =
      std::ranges::find(endpoint.ports, service_port, &mesh::PortMapping::service_port);
  if (own != endpoint.ports.end()) return own->target_port;
  const auto* port = service != nullptr ? service->find_port(service_port) : nullptr;
  return port != nullptr ? port->target_port : 0;
}

/// The pods of a service with a waypoint admit nobody else. So an edge goes to that, and so does a
/// waypoint, but to the pods of its own services.
bool leads_to_waypoint(const View& view, const mesh::ServicePtr& service,
                       const mesh::Workload* self) {
  if (service == nullptr || !service->waypoint) return false;
  if (view.is_edge()) return true;
  return self != nullptr && !mesh::is_own_waypoint(*view.mesh, *service->waypoint, *self);
}

/// Whether a replica is there, where the workload's own waypoint is in an edge's way.
bool can_be_reached(const View& view, const mesh::Workload& workload) {
  if (!view.is_edge() || !workload.waypoint) return true;
  const auto waypoint = mesh::find_waypoint(*view.mesh, *workload.waypoint, workload.ns);
  return std::ranges::any_of(mesh::waypoint_workloads(*view.mesh, waypoint), [](const auto& one) {
    return one->healthy && !one->addresses.empty();
  });
}

bool has_moved(const Host& host, const mesh::WorkloadPtr& workload, std::uint16_t port,
               const mesh::ServicePtr& behind_waypoint) {
  if (host.port != port || host.workload->addresses != workload->addresses) return true;
  if (host.workload->waypoint != workload->waypoint) return true;  // reached otherwise
  if ((host.behind_waypoint == nullptr) != (behind_waypoint == nullptr)) return true;
  return behind_waypoint != nullptr &&
         (host.behind_waypoint->vips != behind_waypoint->vips ||
          host.behind_waypoint->waypoint != behind_waypoint->waypoint);
}

}  // namespace

Endpoint endpoint_of(const Host& host, const IpAddress& like) {
  if (host.behind_waypoint == nullptr) {
    return {host.workload, {host.workload->address_for(like).value_or(IpAddress{}), host.port}};
  }
  const auto& vips = host.behind_waypoint->vips;
  const auto same = std::ranges::find_if(
      vips, [&](const mesh::NetworkAddress& vip) { return vip.ip.is_v4() == like.is_v4(); });
  IpAddress ip;
  if (!vips.empty()) ip = same == vips.end() ? vips.front().ip : same->ip;
  return {host.workload, {ip, host.port}, host.behind_waypoint};
}

HostLease::HostLease(std::shared_ptr<ClusterState> cluster, HostPtr host)
    : cluster_(std::move(cluster)), host_(std::move(host)) {
  ++cluster_->active_requests_;
  if (auto* shared = cluster_->shared_.get()) {
    shared->requests.fetch_add(1, std::memory_order_relaxed);
  }
  cluster_->load_changed(*host_, 1);
}

HostLease::~HostLease() {
  if (!cluster_) return;
  --cluster_->active_requests_;
  if (auto* shared = cluster_->shared_.get()) {
    shared->requests.fetch_sub(1, std::memory_order_relaxed);
  }
  cluster_->load_changed(*host_, -1);
}

bool HostLease::record(const l7::EndpointResult& result, l7::Time now) {
  const auto& policy = cluster_->policy_.outlier;
  return policy && cluster_->ejections_->record(*policy, host_->workload->uid, result, now);
}

ClusterState::ClusterState(std::string name, const l7::Cluster& cluster, SharedClusterPtr shared)
    : name_(std::move(name)),
      shared_(std::move(shared)),
      service_key_(cluster.service_key),
      service_port_(cluster.port),
      subset_(cluster.subset),
      subset_labels_(cluster.subset_labels),
      policy_(cluster.policy),
      quota_(std::make_shared<ClusterQuota>(
          shared_ ? std::shared_ptr<SharedPlaces>(shared_, &shared_->places) : nullptr)),
      ejections_(shared_ ? std::shared_ptr<Ejections>(shared_, &shared_->ejections)
                         : std::make_shared<Ejections>()) {}

std::vector<HostPtr> ClusterState::update(const l7::Cluster& cluster, const View& view,
                                          const mesh::Workload* self) {
  std::vector<HostPtr> stale;
  auto service = view.mesh->service(cluster.service_key);
  const bool to_waypoint = leads_to_waypoint(view, service, self);
  // Behind a waypoint the policy is the waypoint's to follow.
  const auto& policy = to_waypoint ? kDefaultPolicy : cluster.policy;
  if (policy_ != policy) {
    if (policy_.pool != policy.pool) stale = hosts_;
    policy_ = policy;
    told_outlier_ = false;
  }
  const bool same_owner = service_key_ == cluster.service_key;
  service_key_ = cluster.service_key;
  const auto* endpoints = view.mesh->endpoints(service_key_).data();
  const bool unchanged = same_owner && mesh_ && endpoints == endpoints_ && service == service_ &&
                         (subset_labels_.empty() || labels_ == view.labels) &&
                         subset_labels_ == cluster.subset_labels && !to_waypoint &&
                         !behind_waypoint_ && !looks_at_waypoints_;
  const bool same_mesh = mesh_ == view.mesh && to_waypoint == behind_waypoint_ && same_owner;
  mesh_ = view.mesh;
  labels_ = view.labels;
  service_ = std::move(service);
  endpoints_ = endpoints;
  behind_waypoint_ = to_waypoint;
  if (!unchanged && !(to_waypoint && same_mesh)) {
    subset_labels_ = cluster.subset_labels;
    const auto left = take_endpoints(view);
    stale.insert(stale.end(), left.begin(), left.end());
    told_outlier_ = told_outlier_ && !policy_.outlier;
  }
  // Of both at once: others may know newer endpoints than were here before.
  if (!told_outlier_) tell_outlier(view);
  return stale;
}

std::vector<ClusterState::Candidate> ClusterState::candidates(const View& view) const {
  if (behind_waypoint_) return waypoint_candidates(view);
  std::vector<Candidate> out;
  for (const auto& endpoint : view.mesh->endpoints(service_key_)) {
    const auto& workload = endpoint.workload;
    const auto port = target_port(endpoint, service_.get(), service_port_);
    const bool healthy = workload->healthy || (service_ && service_->allow_unhealthy);
    if (!healthy || port == 0 || endpoint.weight == 0 || workload->addresses.empty()) continue;
    if (!has_labels(view.labels->of(workload->uid), subset_labels_)) continue;
    if (!can_be_reached(view, *workload)) continue;
    out.push_back({workload, port, endpoint.weight, nullptr});
  }
  return out;
}

/// Nobody when the waypoint is gone: refused, never bypassed. Nor for a subset: which pods there
/// are is the waypoint's to choose among, and it cannot be told.
std::vector<ClusterState::Candidate> ClusterState::waypoint_candidates(const View& view) const {
  std::vector<Candidate> out;
  if (!subset_.empty() || service_->find_port(service_port_) == nullptr) return out;
  const auto waypoint = mesh::find_waypoint(*view.mesh, *service_->waypoint, service_->ns);
  for (auto& workload : mesh::waypoint_workloads(*view.mesh, waypoint)) {
    if (!workload->healthy || workload->addresses.empty()) continue;
    out.push_back({std::move(workload), service_port_, 1, service_});
  }
  return out;
}

/// The list anew; who stays keeps his counts. Returns who has left.
std::vector<HostPtr> ClusterState::take_endpoints(const View& view) {
  std::vector<HostPtr> left;
  std::vector<HostPtr> before;
  before.swap(hosts_);
  loads_.clear();
  looks_at_waypoints_ =
      view.is_edge() &&
      std::ranges::any_of(view.mesh->endpoints(service_key_),
                          [](const auto& one) { return one.workload->waypoint.has_value(); });
  auto old = before.begin();  // both lists are in the order of uids
  for (auto& [workload, port, weight, behind_waypoint] : candidates(view)) {
    while (old != before.end() && (*old)->workload->uid < workload->uid) left.push_back(*old++);
    const bool known = old != before.end() && (*old)->workload->uid == workload->uid;
    const bool moved = known && has_moved(**old, workload, port, behind_waypoint);
    HostPtr host = known && !moved ? *old : std::make_shared<Host>();
    if (moved) left.push_back(*old);
    if (known) ++old;
    host->workload = std::move(workload);
    host->port = port;
    host->weight = weight;
    host->behind_waypoint = std::move(behind_waypoint);
    host->index = hosts_.size();
    loads_.push_back({host->weight, host->active_requests});
    hosts_.push_back(std::move(host));
  }
  left.insert(left.end(), old, before.end());
  for (const auto& host : left) host->index = Host::kUnlisted;
  return left;
}

void ClusterState::tell_outlier(const View& view) {
  std::vector<std::string> ids;
  if (policy_.outlier) {
    ids.reserve(hosts_.size());
    for (const auto& host : hosts_) ids.push_back(host->workload->uid);
  }
  told_outlier_ = ejections_->take(view.number, policy_.outlier ? &*policy_.outlier : nullptr, ids);
}

void ClusterState::learn_usable() {
  const auto version = ejections_->version();
  if (version == usable_version_ && usable_.size() == hosts_.size()) return;
  std::vector<std::string_view> ids;
  ids.reserve(hosts_.size());
  for (const auto& host : hosts_) ids.emplace_back(host->workload->uid);
  usable_ = ejections_->usable(ids);
  usable_version_ = version;
}

void ClusterState::load_changed(Host& host, int by) {
  host.active_requests += static_cast<std::uint32_t>(by);
  if (host.index != Host::kUnlisted) loads_[host.index].active_requests = host.active_requests;
}

HostPtr ClusterState::pick(const Wanted& wanted, l7::Random& random, l7::Time now) {
  last_used_ = now;
  if (policy_.outlier) ejections_->sweep(now);
  if (wanted.only) return pick_only(wanted);
  if (!wanted.tried.empty() || ejected() > 0) return pick_filtered(wanted.tried, random);
  const auto drawn = draw(loads_, true, random);
  return drawn ? hosts_[*drawn] : nullptr;
}

/// Whoever asked for a workload gets it, healthy or not: nobody else would do.
HostPtr ClusterState::pick_only(const Wanted& wanted) const {
  const auto same = [&](const HostPtr& host) { return host->workload->uid == wanted.only->uid; };
  const auto found = std::ranges::find_if(hosts_, same);
  if (found != hosts_.end() && (*found)->port == wanted.only_port) return *found;
  if (wanted.only->addresses.empty()) return nullptr;
  auto host = std::make_shared<Host>();
  host->workload = wanted.only;
  host->port = wanted.only_port;
  return host;
}

HostPtr ClusterState::pick_filtered(std::span<const HostPtr> tried, l7::Random& random) {
  const bool all_usable = ejected() == 0;
  if (!all_usable) learn_usable();
  std::vector<std::size_t> places;
  std::vector<l7::EndpointLoad> loads;
  const auto gather = [&](bool fresh) {
    for (std::size_t i = 0; i < hosts_.size(); ++i) {
      if (!all_usable && !usable_[i]) continue;
      if (fresh && std::ranges::find(tried, hosts_[i]) != tried.end()) continue;
      places.push_back(i);
      loads.push_back(loads_[i]);
    }
  };
  gather(true);
  if (places.empty()) gather(false);
  const auto drawn = draw(loads, tried.empty(), random);
  return drawn ? hosts_[places[*drawn]] : nullptr;
}

/// `all`: a first attempt, whose turns a retry must not disturb.
std::optional<std::size_t> ClusterState::draw(std::span<const l7::EndpointLoad> loads, bool all,
                                              l7::Random& random) {
  switch (policy_.balancer) {
    case l7::Balancer::kRoundRobin:
      return (all ? turns_ : turns_of_rest_).pick(loads);
    case l7::Balancer::kLeastRequest:
      return l7::pick_least_request(loads, random);
    case l7::Balancer::kRandom:
    case l7::Balancer::kPassthrough:  // by a VIP, which is nobody's address: any of them
      return l7::pick_random(loads, random);
  }
  return std::nullopt;
}

void ClusterState::count_request(l7::Time now) {
  if (!policy_.retry_budget || policy_.retry_budget->interval.count() == 0) return;
  const auto interval = policy_.retry_budget->interval;
  if (!shared_) return window_.count(now, interval);
  const MutexLock hold(shared_->window_mutex);
  shared_->window.count(now, interval);
}

std::uint32_t ClusterState::requests() const {
  return shared_ ? shared_->requests.load(std::memory_order_relaxed) : active_requests_;
}

std::uint32_t ClusterState::requests_in_window(l7::Time now, l7::Time interval) {
  if (!shared_) return window_.total(now, interval);
  const MutexLock hold(shared_->window_mutex);
  return shared_->window.total(now, interval);
}

bool ClusterState::begin_retry(l7::Time now) {
  const auto& budget = policy_.retry_budget;
  auto& retries = shared_ ? shared_->retries : active_retries_;
  if (!budget) return add_below(retries, policy_.pool.max_retries);
  auto under_way = requests();
  if (budget->interval.count() > 0) {
    under_way = std::max(under_way, requests_in_window(now, budget->interval));
  }
  auto seen = retries.load(std::memory_order_relaxed);
  while (budget->allows(under_way, seen)) {
    if (retries.compare_exchange_weak(seen, seen + 1, std::memory_order_relaxed)) return true;
  }
  return false;
}

void ClusterState::end_retry() {
  (shared_ ? shared_->retries : active_retries_).fetch_sub(1, std::memory_order_relaxed);
}

}  // namespace culvert::waypoint
