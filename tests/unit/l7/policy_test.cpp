// Which DestinationRule counts for a host, and how its levels inherit.
#include "lab.hpp"

using namespace culvert::l7;
using namespace culvert::l7::test;
using std::chrono::milliseconds;

namespace {

std::string rule(const std::string& name, const std::string& spec, const std::string& ns = "shop") {
  return object("DestinationRule", name, spec, ns);
}
std::string timeout(const std::string& seconds) {
  return "{connectionPool: {tcp: {connectTimeout: " + seconds + "s}}}";
}
milliseconds connect(Lab& lab, const Ask& ask = {}) {
  return lab.choose(ask).cluster->policy.pool.connect_timeout;
}

}  // namespace

TEST_CASE("blocks of a subset replace those of the destination, the others stay") {
  auto lab = Lab(rule("a",
                      "{host: reviews, trafficPolicy: {loadBalancer: "
                      "{simple: RANDOM}, connectionPool: "
                      "{tcp: {maxConnections: 7}, http: {maxRetries: "
                      "9}}}, subsets: [{name: v2, labels: "
                      "{version: v2}, trafficPolicy: {connectionPool: "
                      "{tcp: {connectTimeout: 3s}}}}]}") +
                 object("VirtualService", "a", "{hosts: [reviews], http: [{" + to("v2") + "}]}"));
  const auto& cluster = *lab.choose({}).cluster;
  CHECK(cluster.policy.balancer == Balancer::kRandom);
  CHECK(cluster.policy.pool.connect_timeout == milliseconds(3000));
  CHECK(cluster.policy.pool.max_connections == kUnlimited);  // of the block that was replaced
  CHECK(cluster.policy.pool.max_retries == kUnlimited);
  CHECK(cluster.subset_labels == std::map<std::string, std::string>{{"version", "v2"}});
  CHECK(cluster.service_key == "shop/reviews.shop.svc.cluster.local");
}

TEST_CASE("a port's settings replace all blocks: nothing is inherited into them") {
  auto lab = Lab(rule("a",
                      "{host: reviews, trafficPolicy: {loadBalancer: {simple: RANDOM}, "
                      "outlierDetection: "
                      "{consecutive5xxErrors: 1}, connectionPool: {tcp: {maxConnections: 7}}, "
                      "retryBudget: {percent: 5}, portLevelSettings: [{port: {number: 80}, "
                      "connectionPool: "
                      "{tcp: {connectTimeout: 3s}}}]}}"));
  const auto on80 = lab.choose({.port = 80}).cluster->policy;
  CHECK(on80.balancer == Balancer::kLeastRequest);
  CHECK_FALSE(on80.outlier);
  CHECK(on80.pool.max_connections == kUnlimited);
  CHECK(on80.pool.connect_timeout == milliseconds(3000));
  REQUIRE(on80.retry_budget);  // not one of a port's blocks
  const auto on9090 = lab.choose({.port = 9090}).cluster->policy;
  CHECK(on9090.balancer == Balancer::kRandom);
  CHECK(on9090.pool.max_connections == 7);
}

TEST_CASE("a subset is above the destination's port, its own port above itself") {
  auto lab = Lab(rule("a",
                      "{host: reviews, trafficPolicy: {portLevelSettings: "
                      "[{port: {number: 80}, "
                      "loadBalancer: {simple: RANDOM}, connectionPool: "
                      "{tcp: {maxConnections: 5}}}]}, "
                      "subsets: [{name: v2, trafficPolicy: {loadBalancer: "
                      "{simple: ROUND_ROBIN}, "
                      "portLevelSettings: [{port: {number: 9090}, "
                      "loadBalancer: {simple: PASSTHROUGH}}]}}]}") +
                 object("VirtualService", "a", "{hosts: [reviews], http: [{" + to("v2") + "}]}"));
  CHECK(lab.choose({.port = 80}).cluster->policy.balancer == Balancer::kRoundRobin);
  CHECK(lab.choose({.port = 80}).cluster->policy.pool.max_connections == 5);
  CHECK(lab.choose({.port = 9090}).cluster->policy.balancer == Balancer::kPassthrough);
}

TEST_CASE("connection pools, outliers and budgets in full") {
  auto lab = Lab(rule("a",
                      "{host: reviews, trafficPolicy: {loadBalancer: {simple: "
                      "LEAST_CONN}, connectionPool: {tcp: "
                      "{maxConnections: 1, connectTimeout: 30ms, tcpKeepalive: "
                      "{probes: 3, time: 7200s, interval: "
                      "75s}, "
                      "maxConnectionDuration: 1h, idleTimeout: 2h}, http: "
                      "{http1MaxPendingRequests: 2, "
                      "http2MaxRequests: "
                      "3, maxRequestsPerConnection: 4, maxRetries: 5, "
                      "idleTimeout: 0s, h2UpgradePolicy: UPGRADE, "
                      "maxConcurrentStreams: 6, http2KeepAlive: {interval: 1s, "
                      "timeout: 2s}}}, outlierDetection: "
                      "{consecutive5xxErrors: 0, consecutiveGatewayErrors: 2, "
                      "splitExternalLocalOriginErrors: "
                      "true, "
                      "consecutiveLocalOriginFailures: 3, interval: 4s, "
                      "baseEjectionTime: 5s, maxEjectionPercent: "
                      "60, "
                      "minHealthPercent: 7, outlierDetectionHttpErrorCodes: "
                      "[429, 500]}, retryBudget: {percent: "
                      "12.5, "
                      "minRetryConcurrency: 8, budgetInterval: 9s}}}"));
  const auto& policy = lab.choose({}).cluster->policy;
  TrafficPolicy expected;
  expected.pool = {1,
                   milliseconds(30),
                   TcpKeepalive{3, milliseconds(7'200'000), milliseconds(75'000)},
                   milliseconds(3'600'000),
                   milliseconds(0),
                   milliseconds(7'200'000),
                   2,
                   3,
                   4,
                   5,
                   6,
                   UpstreamProtocol::kHttp2,
                   PingKeepalive{milliseconds(1000), milliseconds(2000)}};
  expected.outlier =
      OutlierPolicy{0, 2, true, 3, milliseconds(4000), milliseconds(5000), 60, 7, {429, 500}};
  expected.retry_budget = RetryBudget{12.5, 8, milliseconds(9000)};
  CHECK(policy == expected);
  auto client = Lab(rule("a",
                         "{host: reviews, trafficPolicy: {connectionPool: "
                         "{tcp: {idleTimeout: 2h}, http: "
                         "{useClientProtocol: true}}}}"));
  CHECK(client.choose({}).cluster->policy.pool.protocol == UpstreamProtocol::kAsClient);
  CHECK(client.choose({}).cluster->policy.pool.idle_timeout == milliseconds(7'200'000));
}

TEST_CASE("the rule of the own namespace, then of the service's, then of the root") {
  const auto full = std::string("reviews.shop.svc.cluster.local");
  const auto rules = [&](const std::vector<std::string>& namespaces) {
    std::string all;
    int seconds = 1;
    for (const auto& ns : namespaces) {
      all += rule("a",
                  "{host: " + full + ", trafficPolicy: " + timeout(std::to_string(seconds++)) + "}",
                  ns);
    }
    return all;
  };
  const CompilerSettings settings{"cluster.local", "istio-system", "gateways"};
  auto all = Lab(rules({"gateways", "shop", "istio-system", "web"}), settings);
  CHECK(connect(all) == milliseconds(1000));
  auto two = Lab(rules({"istio-system", "shop", "web"}), settings);
  CHECK(connect(two) == milliseconds(2000));
  auto root = Lab(rules({"istio-system", "web"}), settings);
  CHECK(connect(root) == milliseconds(1000));
  auto stranger = Lab(rules({"web"}), settings);
  CHECK(connect(stranger) == milliseconds(10'000));
}

TEST_CASE(
    "the most specific host counts, and only what is exported to the "
    "waypoint's namespace") {
  const CompilerSettings settings{"cluster.local", "istio-system", "gateways"};
  auto lab = Lab(
      rule("a", "{host: \"*.local\", trafficPolicy: " + timeout("1") + "}") +
          rule("b", "{host: \"*.shop.svc.cluster.local\", trafficPolicy: " + timeout("2") + "}"),
      settings);
  CHECK(connect(lab) == milliseconds(2000));
  lab.add(rule("c", "{host: reviews, exportTo: [\".\"], trafficPolicy: " + timeout("3") + "}"));
  CHECK(connect(lab) == milliseconds(2000));
  lab.add(rule("d", "{host: reviews, exportTo: [gateways], trafficPolicy: " + timeout("4") + "}"));
  CHECK(connect(lab) == milliseconds(4000));
}

TEST_CASE("rules of one namespace for one host merge, older first") {
  auto lab = Lab(rule("z", "{host: reviews, subsets: [{name: v1, labels: {from: z}}]}") +
                 rule("a", "{host: reviews, trafficPolicy: " + timeout("1") +
                               ", subsets: [{name: v1, labels: {from: a}}, {name: v2, "
                               "labels: {from: a}}]}") +
                 rule("b", "{host: reviews, trafficPolicy: " + timeout("2") + "}") +
                 object("VirtualService", "a",
                        "{hosts: [reviews], http: [{match: [{uri: {prefix: /2}}], " + to("v2") +
                            "}, {" + to("v1") + "}]}"));
  CHECK(lab.choose({"/1"}).cluster->subset_labels.at("from") == "z");
  CHECK(lab.choose({"/2"}).cluster->subset_labels.at("from") == "a");
  CHECK(connect(lab, {"/1"}) == milliseconds(1000));
}
