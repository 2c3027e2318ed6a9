// culvert-ztunnel: reads its flags and runs the node's tunnel until SIGTERM or SIGINT.
#include <CLI/CLI.hpp>

#include <charconv>
#include <cstdint>
#include <cstdio>
#include <map>

#include "culvert/base/log.hpp"
#include "culvert/telemetry/access_filter.hpp"
#include "ztunnel/app.hpp"

namespace {

constexpr const char* kFooter = R"(
Examples:
  # as the agent's counterpart on one node
  culvert-ztunnel --node node-a --bpf-dir /sys/fs/bpf/culvert/v1 \
      --zds-socket /run/culvert/zds.sock --control-socket /run/culvert/control.sock

  # encrypt between pods of this node too
  culvert-ztunnel ... --same-node encrypt

Ports in the node's network namespace: 15000 administration (loopback), 15020 metrics,
15021 readiness.

SIGTERM (or POST /quitquitquit) drains: no new connections, GOAWAY on the tunnels, and what
is open may end by itself within --drain-time, then it is cut. A second signal exits at
once. POST /drain does the same without the bound and without the exit. Redirection stays,
so that pods are refused rather than let through.

Upgrade: start the new one beside the old one, with the same --state-dir. It takes over once
it can serve; the old one keeps its connections until they end, or --handover-drain-time.)";

// "5s", "300ms", "24h": into milliseconds.
CLI::AsNumberWithUnit duration() {
  return CLI::AsNumberWithUnit(
      std::map<std::string, std::int64_t>{
          {"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {"h", 3600 * 1000}},
      CLI::AsNumberWithUnit::UNIT_REQUIRED, "DURATION");
}

// By the milliseconds that duration() makes. Longer is as good as for ever, and clocks go no
// further.
std::string check_time(const std::string& ms) {
  constexpr std::int64_t kLongestMs = std::int64_t{100} * 365 * 24 * 3600 * 1000;
  std::int64_t time = -1;
  std::from_chars(ms.data(), ms.data() + ms.size(), time);
  if (time > kLongestMs) return "at most a hundred years, e.g. 24h";
  return time >= 0 ? "" : "cannot be less than 0s";
}

std::string check_address(const std::string& text) {
  return culvert::SocketAddress::parse(text) ? "" : "not an address and port: " + text;
}

std::string check_filter(const std::string& text) {
  const auto filter = culvert::telemetry::AccessFilter::parse(text);
  return filter ? "" : filter.error();
}

std::string check_labels(const std::string& text) {
  const auto labels = culvert::telemetry::LabelSwitches::without(text);
  return labels ? "" : labels.error();
}

struct TelemetryFlags {
  std::string dropped_labels;
  std::int64_t idle_expiry = culvert::telemetry::kDefaultIdleExpiry.count();
};

void add_telemetry(CLI::App& cli, culvert::ztunnel::Settings& settings, TelemetryFlags& flags) {
  cli.add_option("--access-log-filter", settings.access_filter,
                 "which connections are logged, e.g. errors,namespace=shop or sample=0.1 "
                 "(docs/telemetry.md)")
      ->check(check_filter);
  cli.add_option("--metrics-drop-labels", flags.dropped_labels,
                 "labels of the TCP metrics that are left out, separated by commas")
      ->check(check_labels);
  cli.add_option("--metrics-idle-expiry", flags.idle_expiry,
                 "seconds after which an idle label set is forgotten; 0: never")
      ->check(CLI::Range(0, culvert::ztunnel::kMaxIdleExpirySeconds))
      ->capture_default_str();
}

void add_tls(CLI::App& cli, culvert::ztunnel::Settings& settings) {
  using culvert::tls::Records;
  cli.add_option_function<std::string>(
         "--tls-records",
         [&settings](const std::string& who) {
           settings.tls_records = who == "own" ? Records::kOwn : Records::kOpenssl;
         },
         "who seals TLS records after OpenSSL's handshake: ztunnel itself, or OpenSSL")
      ->check(CLI::IsMember({"own", "openssl"}))
      ->envname("CULVERT_TLS_RECORDS")
      ->default_str("own");
}

void add_security(CLI::App& cli, culvert::ztunnel::Settings& settings) {
  using culvert::mesh::WaypointBypass;
  cli.add_option_function<std::string>(
         "--waypoint-bypass",
         [&settings](const std::string& text) {
           settings.waypoint_bypass =
               text == "allow" ? WaypointBypass::kAllow : WaypointBypass::kRefuse;
         },
         "connections to a port behind a waypoint that do not come from it; allow: as Istio "
         "(docs/security.md)")
      ->check(CLI::IsMember({"refuse", "allow"}))
      ->default_str("refuse");
  cli.add_option_function<std::string>(
         "--sandbox", [&settings](const std::string& text) { settings.sandbox = text == "on"; },
         "off: keep all capabilities and system calls (docs/hardening.md)")
      ->check(CLI::IsMember({"on", "off"}))
      ->default_str(settings.sandbox ? "on" : "off");
}

void add_threads(CLI::App& cli, culvert::ztunnel::Settings& settings) {
  using namespace culvert;
  cli.add_option("--workers", settings.workers, "data threads; 0: a quarter of the cores")
      ->check(CLI::Range(0U, ztunnel::kMaxWorkers))
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
  ztunnel::Settings settings;
  std::string same_node = "join", log_level = "info";
  std::int64_t drain_ms = settings.drain_time.count();
  TelemetryFlags telemetry_flags;
  std::int64_t handover_ms = settings.handover_drain_time.count();
  std::string admin = "127.0.0.1:15000", metrics = "[::]:15020", ready = "[::]:15021";

  CLI::App cli{
      "The node's tunnel of a Culvert mesh: captures the connections of its pods, carries "
      "them over mutual TLS, and decides by policy.",
      "culvert-ztunnel"};
  cli.footer(kFooter);
  cli.set_version_flag("--version", "culvert-ztunnel " CULVERT_VERSION);
  cli.add_option("--node", settings.node, "this node's name")->required();
  cli.add_option("--bpf-dir", settings.bpf_dir, "where the agent pinned its maps")->required();
  cli.add_option("--zds-socket", settings.zds_socket, "the agent's socket that announces pods")
      ->required();
  cli.add_option("--control-socket", settings.control_socket,
                 "control's Unix socket: configuration and certificates")
      ->required();
  add_threads(cli, settings);
  cli.add_option("--trust-domain", settings.trust_domain)->capture_default_str();
  cli.add_option("--cluster-id", settings.cluster_id)->capture_default_str();
  cli.add_option("--network", settings.network, "the network that this node's addresses are of");
  cli.add_option(
      "--state-dir", settings.state_dir,
      "folder (made, 0700) for the last configuration, which then holds over a restart, and "
      "where a successor finds the one that serves");
  cli.add_option("--crl-file", settings.crl_file,
                 "PEM file of CRLs: peers with certificates in them are refused and their tunnels "
                 "ended; watched");
  cli.add_option("--same-node", same_node, "how two pods of this node are connected")
      ->check(CLI::IsMember({"join", "encrypt"}))
      ->capture_default_str();
  add_tls(cli, settings);
  cli.add_option("--admin-addr", admin)->check(check_address)->capture_default_str();
  cli.add_option("--metrics-addr", metrics)->check(check_address)->capture_default_str();
  cli.add_option("--ready-addr", ready)->check(check_address)->capture_default_str();
  cli.add_option("--log-level", log_level)
      ->check(CLI::IsMember({"error", "warn", "info", "debug"}))
      ->capture_default_str();
  cli.add_option("--log-format", settings.log_format, "form of the access log")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  cli.add_option("--drain-time", drain_ms, "how long connections may last after SIGTERM")
      ->transform(duration())
      ->check(check_time)
      ->default_str("5s");
  add_telemetry(cli, settings, telemetry_flags);
  cli.add_option("--handover-drain-time", handover_ms,
                 "how long connections may last after a successor took over")
      ->transform(duration())
      ->check(check_time)
      ->default_str("24h");
  add_security(cli, settings);
  CLI11_PARSE(cli, argc, argv);
  settings.metrics.labels = *telemetry::LabelSwitches::without(telemetry_flags.dropped_labels);
  settings.metrics.idle_expiry = std::chrono::seconds(telemetry_flags.idle_expiry);
  settings.same_node = same_node == "join" ? ztunnel::SameNode::kJoin : ztunnel::SameNode::kEncrypt;
  settings.drain_time = std::chrono::milliseconds(drain_ms);
  settings.handover_drain_time = std::chrono::milliseconds(handover_ms);
  settings.admin_address = *SocketAddress::parse(admin);
  settings.metrics_address = *SocketAddress::parse(metrics);
  settings.ready_address = *SocketAddress::parse(ready);
  log::set_component("ztunnel");
  log::set_level(*log::parse_level(log_level));
  return ztunnel::run(settings);
}
