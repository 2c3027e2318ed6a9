// culvert-waypoint: reads its flags and serves HTTP and TCP for the services that name it, until
// SIGTERM or SIGINT.
#include <CLI/CLI.hpp>

#include <charconv>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "culvert/base/log.hpp"
#include "culvert/telemetry/access_filter.hpp"
#include "waypoint/app.hpp"

namespace {

constexpr const char* kFooter = R"(
Examples:
  # the waypoint of namespace shop, in a pod of its own
  culvert-waypoint --name waypoint-0 --namespace shop --service-account waypoint \
      --pod-ip 10.244.0.9 --control /run/culvert/control.sock

  # a pod that Gateways of networking.istio.io select by its labels: plain HTTP from outside the
  # mesh, at their ports, as they come and go
  culvert-waypoint --name ingress-0 --namespace shop --service-account ingress \
      --pod-ip 10.244.0.10 --control /run/culvert/control.sock \
      --edge

Ports: 15008 HBONE at the pod's addresses; 15000 administration (loopback), 15020 metrics,
15021 readiness (GET /healthz/ready).

SIGTERM (or POST /quitquitquit) drains: tunnels get GOAWAY, HTTP connections end behind the
request that is under way, and what is still open after --drain-time is cut. A second signal
ends at once.)";

// "5s", "300ms", "24h": into milliseconds.
CLI::AsNumberWithUnit duration() {
  return CLI::AsNumberWithUnit(
      std::map<std::string, std::int64_t>{
          {"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {"h", 3600 * 1000}},
      CLI::AsNumberWithUnit::UNIT_REQUIRED, "DURATION");
}

// By the milliseconds that duration() makes. Longer is as good as for ever, and clocks go no
// further.
std::string check_time(const std::string& ms, std::int64_t least) {
  constexpr std::int64_t kLongestMs = std::int64_t{100} * 365 * 24 * 3600 * 1000;
  std::int64_t time = -1;
  std::from_chars(ms.data(), ms.data() + ms.size(), time);
  if (time > kLongestMs) return "at most a hundred years, e.g. 24h";
  if (time >= least) return "";
  return least > 0 ? "must be more than 0s: there is no \"off\", but a long time, e.g. 24h"
                   : "cannot be less than 0s";
}

std::string check_address(const std::string& text) {
  return culvert::SocketAddress::parse(text) ? "" : "not an address and port: " + text;
}

std::string check_ip(const std::string& text) {
  return culvert::IpAddress::parse(text) ? "" : "not an address: " + text;
}

std::string check_filter(const std::string& text) {
  const auto filter = culvert::telemetry::AccessFilter::parse(text);
  return filter ? "" : filter.error();
}

void add_identity(CLI::App& cli, culvert::waypoint::Settings& settings,
                  std::vector<std::string>& pod_ips) {
  cli.add_option("--name", settings.name, "this pod's name")->required();
  cli.add_option("--namespace", settings.ns, "its namespace")->required();
  cli.add_option("--service-account", settings.service_account,
                 "its service account, which its identity is made of")
      ->required();
  cli.add_option("--pod-ip", pod_ips, "its addresses, which it listens at")
      ->required()
      ->check(check_ip);
  cli.add_option("--trust-domain", settings.trust_domain)->capture_default_str();
  cli.add_option("--cluster-id", settings.cluster_id)->capture_default_str();
  cli.add_option("--network", settings.network, "the network that its addresses are of");
}

void add_logs(CLI::App& cli, culvert::waypoint::Settings& settings, std::string& log_level) {
  cli.add_option("--log-level", log_level)
      ->check(CLI::IsMember({"error", "warn", "info", "debug"}))
      ->capture_default_str();
  cli.add_option("--log-format", settings.log_format, "form of the access log")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  cli.add_option("--access-log-filter", settings.access_filter,
                 "which connections are logged, e.g. errors,namespace=shop or sample=0.1 "
                 "(docs/telemetry.md)")
      ->check(check_filter);
}

void add_path_normalization(CLI::App& cli, culvert::waypoint::Settings& settings) {
  using culvert::http::PathNormalization;
  static const std::map<std::string, PathNormalization> kOptions{
      {"NONE", PathNormalization::kNone},
      {"BASE", PathNormalization::kBase},
      {"DEFAULT", PathNormalization::kBase},
      {"MERGE_SLASHES", PathNormalization::kMergeSlashes},
      {"DECODE_AND_MERGE_SLASHES", PathNormalization::kDecodeAndMergeSlashes}};
  std::vector<std::string> names;
  for (const auto& [name, value] : kOptions) names.push_back(name);
  cli.add_option_function<std::string>(
         "--path-normalization",
         [&settings](const std::string& name) { settings.path_normalization = kOptions.at(name); },
         "what paths are made of before rules see them, and sent on: Istio's "
         "meshConfig.pathNormalization (docs/http.md). The same for all waypoints of a mesh")
      ->check(CLI::IsMember(names))
      ->default_str("BASE");
}

void add_time(CLI::App& cli, const char* name, std::chrono::milliseconds& time,
              const char* default_text, const char* help, std::int64_t least_ms = 1) {
  cli.add_option_function<std::int64_t>(
         name, [&time](std::int64_t ms) { time = std::chrono::milliseconds(ms); }, help)
      ->transform(duration())
      ->check([least_ms](const std::string& ms) { return check_time(ms, least_ms); })
      ->default_str(default_text);
}

void add_times(CLI::App& cli, culvert::waypoint::Settings& settings) {
  add_time(
      cli, "--request-head-timeout", settings.request_head_timeout, "60s",
      "what a client may take for a request's head, from its first byte: then 408. More than 0s");
  add_time(
      cli, "--stream-idle-timeout", settings.stream_idle_timeout, "5m",
      "what a client may take for the next byte of its request, while it has no answer: then "
      "408; or to take the next byte of its answer, which then breaks off. More than 0s: there is "
      "no \"off\", but a long time");
  add_time(cli, "--drain-time", settings.drain_time, "25s",
           "how long what is under way may last after SIGTERM; 0s: it is cut at once", 0);
}

void add_sandbox(CLI::App& cli, culvert::waypoint::Settings& settings) {
  cli.add_option_function<std::string>(
         "--sandbox", [&settings](const std::string& text) { settings.sandbox = text == "on"; },
         "off: keep capabilities and all system calls (docs/hardening.md)")
      ->check(CLI::IsMember({"on", "off"}))
      ->default_str(settings.sandbox ? "on" : "off");
}

void add_threads(CLI::App& cli, culvert::waypoint::Settings& settings) {
  using namespace culvert;
  cli.add_option("--workers", settings.workers,
                 "data threads; 0: a quarter of the cores. Limits and ejections of "
                 "DestinationRules are those of all together; more replicas instead are as good, "
                 "but count apart")
      ->check(CLI::Range(0U, waypoint::kMaxWorkers))
      ->capture_default_str();
  cli.add_option_function<std::int64_t>(
         "--busy-poll-us",
         [&settings](std::int64_t us) { settings.busy_poll = std::chrono::microseconds(us); },
         "how long a data thread looks for more work before it sleeps, while work comes quickly; "
         "others run meanwhile; 0: never")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{io::kMaxBusyPoll.count()}))
      ->default_str(std::to_string(settings.busy_poll.count()));
}

}  // namespace

int main(int argc, char** argv) {
  using namespace culvert;
  waypoint::Settings settings;
  std::vector<std::string> pod_ips;
  std::string log_level = "info";
  std::string admin = "127.0.0.1:15000", metrics = "[::]:15020", ready = "[::]:15021";

  CLI::App cli{
      "A waypoint of a Culvert mesh: takes the connections to the services that name it, applies "
      "their HTTP rules, and carries them on over mutual TLS.",
      "culvert-waypoint"};
  cli.footer(kFooter);
  cli.set_version_flag("--version", "culvert-waypoint " CULVERT_VERSION);
  add_identity(cli, settings, pod_ips);
  cli.add_option("--control", settings.control_socket,
                 "control's Unix socket: configuration and certificate")
      ->required();
  cli.add_flag("--edge", settings.edge,
               "be an edge: serve the networking.istio.io Gateways whose selector has this pod's "
               "labels");
  add_threads(cli, settings);
  add_path_normalization(cli, settings);
  cli.add_option("--crl-file", settings.crl_file,
                 "PEM file of CRLs: peers with certificates in them are refused and their tunnels "
                 "ended; watched");
  cli.add_option("--admin-addr", admin)->check(check_address)->capture_default_str();
  cli.add_option("--metrics-addr", metrics)->check(check_address)->capture_default_str();
  cli.add_option("--ready-addr", ready)->check(check_address)->capture_default_str();
  add_logs(cli, settings, log_level);
  add_times(cli, settings);
  add_sandbox(cli, settings);
  CLI11_PARSE(cli, argc, argv);
  for (const auto& ip : pod_ips) settings.pod_ips.push_back(*IpAddress::parse(ip));
  settings.admin_address = *SocketAddress::parse(admin);
  settings.metrics_address = *SocketAddress::parse(metrics);
  settings.ready_address = *SocketAddress::parse(ready);
  log::set_component("waypoint");
  log::set_level(*log::parse_level(log_level));
  return waypoint::run(settings);
}
