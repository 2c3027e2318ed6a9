// Clusters of several workers: limits and ejections that are judged over all of them; and a host
// that another namespace has from now on.
#include <atomic>
#include <optional>
#include <set>
#include <thread>

#include "../mesh/sample_mesh.hpp"
#include "waypoint/upstream/cluster_state.hpp"
#include "world.hpp"

using namespace culvert;
using namespace culvert::waypoint;
using namespace culvert::waypoint::test;

namespace {

namespace sample = mesh::sample;

/// Two workers' states of one cluster, with the pods a-0 and b-0.
struct TwoWorkers {
  explicit TwoWorkers(const l7::TrafficPolicy& policy) {
    auto service = sample::web_service();
    std::vector<mesh::Workload> pods;
    for (const auto* name : {"a-0", "b-0"}) {
      pods.push_back(sample::pod(name, name[0] == 'a' ? "10.0.0.1" : "10.0.0.2"));
      pods.back().services[sample::kWebKey] = {{80, 8080}};
    }
    view.mesh = sample::mesh_of(pods, {service});
    cluster.host = service.hostname;
    cluster.port = 80;
    cluster.service_key = sample::kWebKey;
    cluster.policy = policy;
    for (auto* state : {&one, &other}) {
      *state = std::make_shared<ClusterState>("c", cluster, counts.of("c"));
      (void)(*state)->update(cluster, view);
    }
  }

  SharedCounts counts;
  View view;
  l7::Cluster cluster;
  ClusterStatePtr one, other;
};

/// Whom it picks out of 20.
std::set<std::string> picked(ClusterState& state, l7::Time now) {
  l7::Random random(1);
  std::set<std::string> out;
  for (int i = 0; i < 20; ++i) out.insert(state.pick({}, random, now)->workload->name);
  return out;
}

}  // namespace

TEST_CASE("requests and retries of all workers count against a cluster's limits") {
  l7::TrafficPolicy policy;
  policy.pool.max_requests = 2;
  policy.pool.max_retries = 1;
  TwoWorkers w(policy);
  std::optional<HostLease> first;
  first.emplace(w.one, w.one->hosts()[0]);
  CHECK(w.other->admits_request());
  const HostLease second(w.other, w.other->hosts()[0]);
  CHECK_FALSE(w.one->admits_request());
  CHECK_FALSE(w.other->admits_request());
  const ClusterState elsewhere("d", w.cluster, w.counts.of("d"));
  CHECK(elsewhere.admits_request());
  first.reset();
  CHECK(w.one->admits_request());
  CHECK(w.one->begin_retry(0ms));
  CHECK_FALSE(w.other->begin_retry(0ms));
  w.one->end_retry();
  CHECK(w.other->begin_retry(0ms));
  w.other->end_retry();
}

TEST_CASE("a retry budget looks at the requests and retries of all workers") {
  l7::TrafficPolicy policy;
  policy.retry_budget = l7::RetryBudget{};
  policy.retry_budget->percent = 50;
  policy.retry_budget->min_concurrency = 0;
  for (const auto interval : {l7::Time(0), l7::Time(8000)}) {
    policy.retry_budget->interval = interval;
    TwoWorkers w(policy);
    CHECK_FALSE(w.one->begin_retry(1s));
    std::vector<HostLease> under_way;
    for (int i = 0; i < 4; ++i) {
      w.other->count_request(1s);
      if (interval.count() == 0) under_way.emplace_back(w.other, w.other->hosts()[0]);
    }
    CHECK(w.one->begin_retry(1s));
    CHECK(w.other->begin_retry(1s));
    CHECK_FALSE(w.one->begin_retry(1s));
    w.one->end_retry();
    w.other->end_retry();
  }
}

TEST_CASE("errors in a row count over all workers, and who is ejected is so for all, and back") {
  l7::TrafficPolicy policy;
  policy.balancer = l7::Balancer::kRoundRobin;
  policy.outlier.emplace();
  policy.outlier->consecutive_5xx = 7;
  policy.outlier->interval = 1s;
  policy.outlier->base_ejection_time = 30s;
  policy.outlier->max_ejection_percent = 100;
  TwoWorkers w(policy);
  HostLease at_one(w.one, w.one->hosts()[0]), at_other(w.other, w.other->hosts()[0]);
  for (int i = 0; i < 6; ++i) CHECK_FALSE((i % 2 ? at_one : at_other).record({false, 500}, 1s));
  CHECK(at_other.record({false, 500}, 1s));
  for (auto* state : {w.one.get(), w.other.get()}) {
    CHECK(state->ejected() == 1);
    CHECK(picked(*state, 2s) == std::set<std::string>{"b-0"});
  }
  CHECK(picked(*w.one, 40s) == std::set<std::string>{"a-0", "b-0"});
  CHECK(picked(*w.other, 40s) == std::set<std::string>{"a-0", "b-0"});
  // One that went well on either starts the count anew.
  for (int i = 0; i < 6; ++i) CHECK_FALSE(at_one.record({false, 500}, 50s));
  CHECK_FALSE(at_other.record({false, 200}, 50s));
  CHECK_FALSE(at_one.record({false, 500}, 50s));
  CHECK(w.one->ejected() == 0);
}

TEST_CASE("workers that begin retries at the same moment have no more than a budget allows") {
  l7::TrafficPolicy policy;
  policy.retry_budget = l7::RetryBudget{};
  policy.retry_budget->min_concurrency = 1;
  TwoWorkers w(policy);
  std::atomic<int> under_way{0}, most{0};
  std::vector<std::thread> threads;
  for (auto* state : {w.one.get(), w.other.get()}) {
    threads.emplace_back([&, state] {
      for (int i = 0; i < 200'000; ++i) {
        if (!state->begin_retry(1s)) continue;
        const int now = ++under_way;
        if (now > most) most = now;
        --under_way;
        state->end_retry();
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(most == 1);
}

TEST_CASE("a worker that has not looked for a while, or that looks back, ends nobody's ejection") {
  l7::TrafficPolicy policy;
  policy.outlier.emplace();
  policy.outlier->consecutive_5xx = 1;
  policy.outlier->max_ejection_percent = 100;
  TwoWorkers w(policy);
  const auto old_view = w.view;
  auto service = sample::web_service();
  std::vector<mesh::Workload> pods{sample::pod("a-0", "10.0.0.1"), sample::pod("c-0", "10.0.0.3")};
  for (auto& pod : pods) pod.services[sample::kWebKey] = {{80, 8080}};
  w.view.mesh = sample::mesh_of(pods, {service});
  w.view.number = 1;
  w.cluster.policy.pool.max_requests = 7;
  (void)w.one->update(w.cluster, w.view);
  CHECK(HostLease(w.one, w.one->hosts()[1]).record({false, 500}, 1s));
  (void)w.other->update(w.cluster, w.view);
  CHECK(w.other->ejected() == 1);
  CHECK(picked(*w.other, 2s) == std::set<std::string>{"a-0"});

  auto old_cluster = w.cluster;
  old_cluster.policy.outlier.reset();
  ClusterState late("c", old_cluster, w.counts.of("c"));
  (void)late.update(old_cluster, old_view);
  CHECK(w.one->ejected() == 1);
  (void)late.update(w.cluster, old_view);
  CHECK(w.one->ejected() == 1);
  (void)late.update(w.cluster, w.view);
  CHECK(w.one->ejected() == 1);
  CHECK(picked(late, 2s) == std::set<std::string>{"a-0"});
  // What is news by the newest view holds for all.
  (void)w.one->update(old_cluster, w.view);
  CHECK(HostLease(w.one, w.one->hosts()[0]).record({false, 500}, 2s) == false);
}

TEST_CASE("who could say nothing of outliers by an old view does so by a newer one") {
  l7::TrafficPolicy policy;
  TwoWorkers w(policy);
  w.view.number = 2;
  (void)w.one->update(w.cluster, w.view);
  auto with_outliers = w.cluster;
  with_outliers.policy.outlier.emplace();
  with_outliers.policy.outlier->consecutive_5xx = 1;
  with_outliers.policy.outlier->max_ejection_percent = 100;
  auto old_view = w.view;
  old_view.number = 1;
  w.view.number = 3;
  (void)w.one->update(with_outliers, w.view);
  (void)w.one->update(w.cluster, w.view);
  (void)w.other->update(with_outliers, old_view);
  (void)w.other->update(with_outliers, w.view);
  CHECK(HostLease(w.other, w.other->hosts()[0]).record({false, 500}, 1s));
}

TEST_CASE("a host that another namespace has from now on gets that one's pods") {
  const auto service_of = [](const char* ns) {
    auto service = sample::web_service();
    service.ns = ns;
    service.hostname = "api.example";
    return service;
  };
  const auto pod_of = [](const char* name, const char* address, const std::string& ns) {
    auto pod = sample::pod(name, address);
    pod.services[ns + "/api.example"] = {{80, 8080}};
    return pod;
  };
  View view;
  view.mesh =
      sample::mesh_of({pod_of("a-0", "10.0.0.1", "shop"), pod_of("b-0", "10.0.0.2", "other")},
                      {service_of("shop"), service_of("other")});
  l7::Cluster cluster;
  cluster.host = "api.example";
  cluster.port = 80;
  cluster.service_key = "shop/api.example";
  ClusterState state(cluster.name(), cluster);
  (void)state.update(cluster, view);
  REQUIRE(state.hosts().size() == 1);
  CHECK(state.hosts()[0]->workload->name == "a-0");
  cluster.service_key = "other/api.example";
  const auto left = state.update(cluster, view);
  REQUIRE(state.hosts().size() == 1);
  CHECK(state.hosts()[0]->workload->name == "b-0");
  REQUIRE(left.size() == 1);
  CHECK(left[0]->workload->name == "a-0");
  CHECK(state.service_key() == "other/api.example");
}
