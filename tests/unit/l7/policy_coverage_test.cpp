// Every field of a DestinationRule: it changes the policy that comes out, or is
// refused, or neutral.
#include "coverage.hpp"
#include "destination_rule.pb.h"
#include "lab.hpp"

using namespace culvert::l7;
using namespace culvert::l7::test;

namespace {

/// A field, and specs (behind the host) without and with it.
struct Row {
  const char* field;
  std::string without;
  std::string with;
};

std::string tcp(const std::string& settings) {
  return "trafficPolicy: {connectionPool: {tcp: {" + settings + "}}}";
}
std::string http(const std::string& settings) {
  return "trafficPolicy: {connectionPool: {http: {" + settings + "}}}";
}
std::string outlier(const std::string& settings) {
  return "trafficPolicy: {connectionPool: {http: {}}, outlierDetection: {" + settings + "}}";
}
std::string budget(const std::string& settings) {
  return "trafficPolicy: {connectionPool: {http: {}}, retryBudget: {" + settings + "}}";
}
std::string port(const std::string& settings) {
  return "trafficPolicy: {loadBalancer: {simple: RANDOM}, portLevelSettings: "
         "[{port: {number: 80}" +
         settings + "}]}";
}
const std::string kSubset = "subsets: [{name: v2, labels: {version: v2}";

const std::vector<Row> kRows = {
    {"DestinationRule.trafficPolicy", "", "trafficPolicy: {loadBalancer: {simple: RANDOM}}"},
    {"DestinationRule.subsets", "", kSubset + "}]"},
    {"DestinationRule.exportTo", tcp("maxConnections: 1"),
     tcp("maxConnections: 1") + ", exportTo: [web]"},
    {"Subset.name", "subsets: [{name: v3}]", "subsets: [{name: v2}]"},
    {"Subset.labels", "subsets: [{name: v2}]", kSubset + "}]"},
    {"Subset.trafficPolicy", kSubset + "}]",
     kSubset + ", trafficPolicy: {loadBalancer: {simple: RANDOM}}}]"},
    {"TrafficPolicy.loadBalancer", "", "trafficPolicy: {loadBalancer: {simple: RANDOM}}"},
    {"TrafficPolicy.connectionPool", "", tcp("maxConnections: 1")},
    {"TrafficPolicy.outlierDetection", "", outlier("")},
    {"TrafficPolicy.portLevelSettings", "", port(", loadBalancer: {simple: ROUND_ROBIN}")},
    {"TrafficPolicy.retryBudget", "", budget("")},
    {"TrafficPolicy.PortTrafficPolicy.port", port(", loadBalancer: {simple: ROUND_ROBIN}"),
     "trafficPolicy: {loadBalancer: {simple: RANDOM}, portLevelSettings: "
     "[{port: {number: 9090}, "
     "loadBalancer: "
     "{simple: ROUND_ROBIN}}]}"},
    {"PortSelector.number", port(", loadBalancer: {simple: ROUND_ROBIN}"),
     "trafficPolicy: {loadBalancer: {simple: RANDOM}, portLevelSettings: "
     "[{port: {number: 81}, "
     "loadBalancer: "
     "{simple: ROUND_ROBIN}}]}"},
    {"TrafficPolicy.PortTrafficPolicy.loadBalancer", port(""),
     port(", loadBalancer: {simple: ROUND_ROBIN}")},
    {"TrafficPolicy.PortTrafficPolicy.connectionPool", port(""),
     port(", connectionPool: {tcp: {maxConnections: 1}}")},
    {"TrafficPolicy.PortTrafficPolicy.outlierDetection", port(""), port(", outlierDetection: {}")},
    {"LoadBalancerSettings.simple", "trafficPolicy: {loadBalancer: {simple: RANDOM}}",
     "trafficPolicy: {loadBalancer: {simple: PASSTHROUGH}}"},
    {"ConnectionPoolSettings.tcp", http(""), tcp("maxConnections: 1")},
    {"ConnectionPoolSettings.http", tcp(""), http("maxRetries: 1")},
    {"ConnectionPoolSettings.TCPSettings.maxConnections", tcp(""), tcp("maxConnections: 1")},
    {"ConnectionPoolSettings.TCPSettings.connectTimeout", tcp(""), tcp("connectTimeout: 1s")},
    {"ConnectionPoolSettings.TCPSettings.tcpKeepalive", tcp(""), tcp("tcpKeepalive: {}")},
    {"ConnectionPoolSettings.TCPSettings.maxConnectionDuration", tcp(""),
     tcp("maxConnectionDuration: 1s")},
    {"ConnectionPoolSettings.TCPSettings.idleTimeout", tcp(""), tcp("idleTimeout: 1s")},
    {"ConnectionPoolSettings.TCPSettings.TcpKeepalive.probes", tcp("tcpKeepalive: {}"),
     tcp("tcpKeepalive: {probes: 1}")},
    {"ConnectionPoolSettings.TCPSettings.TcpKeepalive.time", tcp("tcpKeepalive: {}"),
     tcp("tcpKeepalive: {time: 1s}")},
    {"ConnectionPoolSettings.TCPSettings.TcpKeepalive.interval", tcp("tcpKeepalive: {}"),
     tcp("tcpKeepalive: {interval: 1s}")},
    {"ConnectionPoolSettings.HTTPSettings.http1MaxPendingRequests", http(""),
     http("http1MaxPendingRequests: 1")},
    {"ConnectionPoolSettings.HTTPSettings.http2MaxRequests", http(""), http("http2MaxRequests: 1")},
    {"ConnectionPoolSettings.HTTPSettings.maxRequestsPerConnection", http(""),
     http("maxRequestsPerConnection: 1")},
    {"ConnectionPoolSettings.HTTPSettings.maxRetries", http(""), http("maxRetries: 1")},
    {"ConnectionPoolSettings.HTTPSettings.idleTimeout", http(""), http("idleTimeout: 1s")},
    {"ConnectionPoolSettings.HTTPSettings.h2UpgradePolicy", http(""),
     http("h2UpgradePolicy: UPGRADE")},
    {"ConnectionPoolSettings.HTTPSettings.useClientProtocol", http(""),
     http("useClientProtocol: true")},
    {"ConnectionPoolSettings.HTTPSettings.maxConcurrentStreams", http(""),
     http("maxConcurrentStreams: 1")},
    {"ConnectionPoolSettings.HTTPSettings.http2KeepAlive", http(""),
     http("http2KeepAlive: {interval: 1s, timeout: 1s}")},
    {"ConnectionPoolSettings.HTTPSettings.ConnectionKeepalive.interval",
     http("http2KeepAlive: {interval: 1s, timeout: 1s}"),
     http("http2KeepAlive: {interval: 2s, timeout: 1s}")},
    {"ConnectionPoolSettings.HTTPSettings.ConnectionKeepalive.timeout",
     http("http2KeepAlive: {interval: 1s, timeout: 1s}"),
     http("http2KeepAlive: {interval: 1s, timeout: 2s}")},
    {"OutlierDetection.consecutiveErrors", outlier(""), outlier("consecutiveErrors: 9")},
    {"OutlierDetection.interval", outlier(""), outlier("interval: 1s")},
    {"OutlierDetection.baseEjectionTime", outlier(""), outlier("baseEjectionTime: 1s")},
    {"OutlierDetection.maxEjectionPercent", outlier(""), outlier("maxEjectionPercent: 99")},
    {"OutlierDetection.minHealthPercent", outlier(""), outlier("minHealthPercent: 9")},
    {"OutlierDetection.consecutiveGatewayErrors", outlier(""),
     outlier("consecutiveGatewayErrors: 9")},
    {"OutlierDetection.consecutive5xxErrors", outlier(""), outlier("consecutive5xxErrors: 9")},
    {"OutlierDetection.splitExternalLocalOriginErrors", outlier(""),
     outlier("splitExternalLocalOriginErrors: true")},
    {"OutlierDetection.consecutiveLocalOriginFailures",
     outlier("splitExternalLocalOriginErrors: true"),
     outlier("splitExternalLocalOriginErrors: true, "
             "consecutiveLocalOriginFailures: 9")},
    {"OutlierDetection.outlierDetectionHttpErrorCodes", outlier(""),
     outlier("outlierDetectionHttpErrorCodes: [429]")},
    {"TrafficPolicy.RetryBudget.percent", budget(""), budget("percent: 9")},
    {"TrafficPolicy.RetryBudget.minRetryConcurrency", budget(""), budget("minRetryConcurrency: 9")},
    {"TrafficPolicy.RetryBudget.budgetInterval", budget(""), budget("budgetInterval: 9s")},
};

/// What the rule makes of reviews and of its subset v2.
struct Outcome {
  TrafficPolicy plain;
  std::optional<TrafficPolicy> subset;
  std::map<std::string, std::string> labels;
  bool operator==(const Outcome&) const = default;
};

Outcome outcome(const std::string& spec) {
  auto lab = Lab(
      object("DestinationRule", "a", "{host: reviews" + (spec.empty() ? "" : ", " + spec) + "}") +
          object("VirtualService", "a",
                 "{hosts: [reviews], http: [{match: [{uri: {exact: /2}}], " + to("v2") +
                     "}, {route: [{destination: {host: reviews}}]}]}"),
      {"cluster.local", "istio-system", "gateways"});
  Outcome made;
  made.plain = lab.choose({}).cluster->policy;
  const auto of_subset = lab.choose({"/2"});
  if (of_subset.cluster) {
    made.subset = of_subset.cluster->policy;
    made.labels = of_subset.cluster->subset_labels;
  }
  return made;
}

}  // namespace

TEST_CASE("each field of a DestinationRule changes the policy that comes out") {
  for (const auto& row : kRows) {
    CAPTURE(row.field);
    CHECK_FALSE(outcome(row.without) == outcome(row.with));
    CHECK(outcome(row.with) == outcome(row.with));
  }
}

TEST_CASE(
    "no field of a DestinationRule is left without a row, a refusal or a "
    "reason") {
  std::set<std::string> covered = {
      "DestinationRule.host",  // policy_test.cpp
      // Neutral: what goes between workloads of the mesh is in mutual TLS
      // whatever is said here, so ISTIO_MUTUAL is the one mode that is not
      // refused.
      "TrafficPolicy.tls",
      "TrafficPolicy.PortTrafficPolicy.tls",
      "ClientTLSSettings.mode",
  };
  for (const auto& row : kRows) covered.insert(row.field);
  CHECK(uncovered("DestinationRule", covered) == std::vector<std::string>{});
}
