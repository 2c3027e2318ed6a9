// docs/defaults.md, "Of a waypoint itself", row by row.
#include <fmt/format.h>

#include "../l7/page.hpp"
#include "culvert/l7/retry.hpp"
#include "waypoint/exchange/mirror.hpp"
#include "waypoint/exchange/request_body.hpp"
#include "waypoint/exchange/response.hpp"
#include "world.hpp"

using namespace culvert;
using namespace culvert::waypoint;
using namespace culvert::waypoint::test;

namespace {

using Row = std::pair<std::string, std::string>;

std::string kib(std::size_t bytes) {
  return fmt::format("{} KiB", bytes / 1024);
}

std::vector<Row> rows_of_the_page() {
  std::vector<Row> rows;
  bool here = false;
  for (const auto& line : l7::test::page("defaults.md")) {
    if (line.starts_with("## ")) here = line == "## Of a waypoint itself";
    if (here && line.starts_with("| ") && !line.starts_with("| What")) {
      rows.push_back(l7::test::cells(line));
    }
  }
  return rows;
}

/// How many hosts out of five get a request that each of them fails, in as many attempts.
std::string others_first() {
  World world(lab_yaml("retries: {attempts: 4, retryOn: 5xx}, " + to("v1")),
              {"v1-a", "v1-b", "v1-c", "v1-d", "v1-e"});
  std::set<std::string> pods;
  Behaviour fails;
  fails.status = 500;
  for (const auto* name : {"v1-a", "v1-b", "v1-c", "v1-d", "v1-e"}) {
    world.upstreams.set(name, fails);
  }
  world.ask({});
  for (const auto& seen : world.upstreams.seen) pods.insert(seen.pod);
  return pods.size() == 5 ? "all" : std::to_string(pods.size());
}

}  // namespace

TEST_CASE("the page of defaults says what a waypoint's own bounds are") {
  const ExchangeSettings settings;
  const std::vector<Row> rows = {
      {"Path normalization",
       settings.path_normalization == http::PathNormalization::kBase ? "BASE" : "another"},
      {"A request's body kept for other attempts", kib(settings.retry_buffer_bytes)},
      {"Bodies kept by a worker, together", kib(kMaxKeptBytes)},
      {"A mirror's time, where the route has none", fmt::format("{} s", kMirrorTimeout.count())},
      {"A mirror's bytes that wait", kib(kMirrorBytes)},
      {"Bytes that wait for mirrors, together", kib(kMaxMirrorBytes)},
      {"Mirrors at once, a worker", std::to_string(kMaxMirrors)},
      {"Time to read an answer of the waypoint's own", fmt::format("{} s", kReplyTimeout.count())},
      {"Read of a body before there is a connection", kib(kUploadAheadBytes)},
      {"Other hosts before one that was tried", others_first()},
      {"Longest wait between attempts", fmt::format("{} times the base", l7::kBackoffGrowth)},
      {"A cluster that nobody asked for is forgotten after",
       fmt::format("{} min", kForgetClusterAfter.count())},
      {"Clusters a worker remembers", std::to_string(kMaxClusters)},
  };
  CHECK(rows_of_the_page() == rows);
}

TEST_CASE("clusters of what is gone, and of ports that nobody uses any more, are forgotten") {
  Upstreams upstreams;
  UpstreamClusters clusters(upstreams);
  mesh::Delta delta;
  delta.services = {*l7::test::service("shop", "reviews", {80})};
  auto view = std::make_shared<View>();
  view->mesh = apply(mesh::Snapshot(), std::move(delta));
  clusters.take_view(view, 10min);
  l7::Cluster cluster;
  cluster.host = "reviews.shop.svc.cluster.local";
  cluster.service_key = "shop/" + cluster.host;
  const auto state = clusters.find(cluster, *view);
  CHECK(clusters.find(cluster, *view) == state);
  clusters.take_view(std::make_shared<View>(*view), 10min + 20s);
  CHECK(clusters.size() == 1);
  clusters.take_view(std::make_shared<View>(), 10min + 40s);
  CHECK(clusters.size() == 0);
  mesh::Workload workload;
  workload.uid = "Kubernetes//Pod/shop/a";
  const auto kept = clusters.of_workload(workload, 1);
  const HostLease busy(kept, std::make_shared<Host>());
  for (std::size_t port = 2; port < 3 * kMaxClusters; ++port) {
    clusters.of_workload(workload, static_cast<std::uint16_t>(port));
  }
  CHECK(clusters.size() <= kMaxClusters);
  CHECK(clusters.of_workload(workload, 1) == kept);
}
