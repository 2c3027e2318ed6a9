// Services of several namespaces that have one host: each is a cluster of its own.
#include <doctest/doctest.h>

#include "upstreams.hpp"
#include "waypoint/upstream/clusters.hpp"

using namespace culvert;
using namespace culvert::waypoint;
using namespace culvert::waypoint::test;

namespace {

const std::string kHost = "api.example";

/// A ServiceEntry "NS/api.example" with one pod, "NS-pod".
void add_entry(mesh::Delta& delta, const std::string& ns, std::uint8_t number) {
  mesh::Service service;
  service.ns = service.name = ns;
  service.hostname = kHost;
  service.ports = {{80, 8080}};
  mesh::Workload pod;
  pod.ns = ns;
  pod.name = ns + "-pod";
  pod.uid = "Kubernetes//Pod/" + ns + "/pod";
  pod.addresses = {IpAddress::v4(10, 0, 0, number)};
  pod.services[ns + "/" + kHost] = {{80, 8080}};
  delta.services.push_back(std::move(service));
  delta.workloads.push_back(std::move(pod));
}

ViewPtr view_of_both() {
  mesh::Delta delta;
  add_entry(delta, "a", 1);
  add_entry(delta, "b", 2);
  auto view = std::make_shared<View>();
  view->mesh = apply(mesh::Snapshot(), std::move(delta));
  return view;
}

l7::Cluster cluster_of(const std::string& ns, std::uint32_t max_requests) {
  l7::Cluster cluster;
  cluster.host = kHost;
  cluster.port = 80;
  cluster.service_key = ns + "/" + kHost;
  cluster.policy.pool.max_requests = max_requests;
  return cluster;
}

std::string only_pod(const ClusterState& state) {
  REQUIRE(state.hosts().size() == 1);
  return state.hosts().front()->workload->name;
}

}  // namespace

TEST_CASE("services of two namespaces with one host share a name, and neither pods nor limits") {
  Upstreams connections;
  UpstreamClusters clusters(connections);
  const auto view = view_of_both();
  clusters.take_view(view, l7::Time(0));
  const auto cluster_a = cluster_of("a", 1);
  const auto cluster_b = cluster_of("b", 2);
  const auto a = clusters.find(cluster_a, *view);
  const auto b = clusters.find(cluster_b, *view);
  CHECK(a->name() == b->name());
  CHECK(clusters.size() == 2);
  CHECK(only_pod(*a) == "a-pod");
  CHECK(only_pod(*b) == "b-pod");
  CHECK(a->policy().pool.max_requests == 1);
  CHECK(b->policy().pool.max_requests == 2);
  CHECK(a->quota() != b->quota());
  CHECK(connections.retired.empty());
  {
    const HostLease lease(a, a->hosts().front());
    CHECK_FALSE(a->admits_request());
    CHECK(b->admits_request());
  }
  // Each is found again, also by clusters of a later table.
  const auto next = view_of_both();
  clusters.take_view(next, l7::Time(1));
  const auto again_b = cluster_of("b", 2);
  const auto again_a = cluster_of("a", 1);
  CHECK(clusters.find(again_b, *next) == b);
  CHECK(clusters.find(again_a, *next) == a);
}
