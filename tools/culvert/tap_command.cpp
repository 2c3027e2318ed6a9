// `culvert tap`: the requests that a waypoint serves: as they end, and those that last before.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <memory>
#include <optional>
#include <thread>

#include "culvert/commands.hpp"
#include "culvert/mesh/waypoint.hpp"
#include "culvert/mesh_model.hpp"
#include "culvert/output.hpp"
#include "culvert/tap.hpp"
#include "lab/waypoints.hpp"

namespace culvert::cli {
namespace {

constexpr auto kEvery = std::chrono::milliseconds(200);
constexpr int kRoundsOfOneModel = 10;  // then the waypoint's pods are looked up again
constexpr int kMaxSeconds = 24 * 3600;

struct Options {
  TapFilter filter;
  std::string target, pod, lab = "default", format = "text";
  int seconds = 0, count = 0;  // 0: until it is interrupted
};

/// The waypoints in front of a service: its own, or those that its pods have.
std::vector<mesh::GatewayAddress> waypoints_of(const mesh::Snapshot& mesh,
                                               const mesh::Service& service) {
  if (service.waypoint) return {*service.waypoint};
  std::vector<mesh::GatewayAddress> out;
  for (const auto& endpoint : mesh.endpoints(service.key())) {
    const auto& own = endpoint.workload->waypoint;
    if (own && std::ranges::find(out, *own) == out.end()) out.push_back(*own);
  }
  return out;
}

/// What TARGET names: whose requests they are goes into the filter.
lab::Outcome<std::vector<mesh::GatewayAddress>> find_waypoints(Options& o, const MeshModel& model,
                                                               const std::string& ns,
                                                               const std::string& name) {
  std::vector<std::string> known;
  for (const auto& service : model.snapshot->services()) {
    known.push_back(service->ns + "/" + service->name);
    if (service->ns != ns || service->name != name) continue;
    o.filter.service = service->hostname;
    return waypoints_of(*model.snapshot, *service);
  }
  const auto workload = model.snapshot->workload_named(ns, name);
  if (workload == nullptr) {
    return lab::problem(
        fmt::format("there is no service or pod {}/{}", ns, name),
        did_you_mean(ns + "/" + name, known, "culvert services lists the services"));
  }
  o.filter.pod = ns + "/" + name;
  if (!workload->waypoint) return std::vector<mesh::GatewayAddress>();
  return std::vector{*workload->waypoint};
}

/// The pod of a waypoint or an edge.
lab::Outcome<std::vector<std::string>> find_proxy(const std::string& key,
                                                  const MeshSource& source) {
  const auto& pods = source.state().objects.pods;
  const auto pod = std::ranges::find(pods, key, &lab::Pod::key);
  if (pod != pods.end() && lab::is_proxy(*pod)) return std::vector{key};
  std::vector<std::string> proxies;
  for (const lab::Pod& one : pods)
    if (lab::is_proxy(one)) proxies.push_back(one.key());
  return lab::problem(
      pod == pods.end() ? fmt::format("there is no pod {}", key)
                        : fmt::format("pod {} is neither a waypoint's nor an edge", key),
      proxies.empty()
          ? "culvert waypoint apply starts a waypoint"
          : did_you_mean(key, proxies, fmt::format("there are {}", fmt::join(proxies, ", "))));
}

/// The pods that are asked, "NAMESPACE/NAME", and the filter for what is TARGET's alone.
lab::Outcome<std::vector<std::string>> find_pods(Options& o, const MeshSource& source,
                                                 const MeshModel& model) {
  if (!o.pod.empty()) return find_proxy(o.pod, source);
  const auto slash = o.target.find('/');
  const std::string ns = slash == std::string::npos ? "default" : o.target.substr(0, slash);
  const std::string name = o.target.substr(slash + 1);
  const auto& pods = source.state().objects.pods;
  const auto pod = std::ranges::find(pods, ns + "/" + name, &lab::Pod::key);
  if (pod != pods.end() && lab::is_proxy(*pod)) return std::vector{pod->key()};
  const auto gateways = find_waypoints(o, model, ns, name);
  if (!gateways) return std::unexpected(gateways.error());
  if (gateways->empty()) {
    return lab::problem(fmt::format("{} has no waypoint, which alone knows of requests", o.target),
                        "label it istio.io/use-waypoint; culvert connections shows connections");
  }
  std::vector<std::string> out;
  for (const auto& gateway : *gateways) {
    const auto waypoint = mesh::find_waypoint(*model.snapshot, gateway, ns);
    for (const auto& w : mesh::waypoint_workloads(*model.snapshot, waypoint)) {
      out.push_back(w->ns + "/" + w->name);
    }
  }
  if (!out.empty()) return out;
  return lab::problem(
      fmt::format("the waypoint {} has no workload", mesh::waypoint_name(gateways->front())),
      "see culvert status");
}

/// False: nobody reads it any more.
bool print(const std::string& text) {
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() &&
         std::fflush(stdout) == 0;
}

/// What each pod was asked for last, and how much has been shown.
class Watch {
 public:
  Watch(const Options& options, const MeshSource& source) : o_(options), source_(source) {}

  /// Shows what a pod has had since; a problem when it does not answer.
  std::optional<lab::Problem> ask(const std::string& pod) {
    const auto known = next_.find(pod);
    auto& under_way = under_way_[pod];
    const auto page = source_.waypoint_page(
        pod, known == next_.end() ? "/tap" : fmt::format("/tap?after={}", known->second));
    if (!page) {
      under_way.forget();
      return page.error();
    }
    const auto batch = parse_tap(*page);
    if (!batch) return lab::Problem{fmt::format("pod {} is no waypoint", pod), ""};
    next_[pod] = batch->next;
    if (batch->lost > 0) {
      under_way.forget();
      fmt::print(stderr, "{} events of requests were not kept\n", batch->lost);
    }
    const auto now = std::chrono::steady_clock::now();
    for (const Json& event : batch->requests) take(event, under_way, now);
    if (o_.format == "json") return std::nullopt;
    for (const auto& one : under_way.due(now)) {
      if (!over()) nobody_reads_ = !print(tap_text(one.event, one.under_way));
    }
    return std::nullopt;
  }
  /// As many as were wanted have ended, or nobody reads any more.
  bool over() const { return nobody_reads_ || (o_.count > 0 && shown_ >= o_.count); }

 private:
  void take(const Json& event, TapUnderWay& under_way, TapUnderWay::TimePoint now) {
    const bool end = is_end(event), wanted = o_.filter.takes(event);
    end || !wanted ? under_way.drop(event) : under_way.take(event, now);
    if (over() || !wanted) return;
    if (o_.format == "json") {
      nobody_reads_ = !print(event.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
    } else if (end) {
      nobody_reads_ = !print(tap_text(event));
    }
    if (end) ++shown_;
  }

  const Options& o_;
  const MeshSource& source_;
  std::map<std::string, std::uint64_t> next_;
  std::map<std::string, TapUnderWay> under_way_;
  int shown_ = 0;
  bool nobody_reads_ = false;
};

lab::Outcome<std::vector<std::string>> find_pods_now(Options& o, const MeshSource& source) {
  const auto model = load_model(source);
  if (!model) return std::unexpected(model.error());
  return find_pods(o, source, *model);
}

// The exit status. A replica that goes is left out; new ones are found as the mesh tells of them.
int follow(Options o) {
  const auto source = MeshSource::open(o.lab);
  if (!source) return fail(source.error());
  Watch watch(o, *source);
  std::vector<std::string> pods;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(o.seconds);
  for (int round = 0;; ++round) {
    if (round % kRoundsOfOneModel == 0) {
      auto found = find_pods_now(o, *source);
      if (!found && round == 0) return fail(found.error());
      if (found) pods = std::move(*found);  // else those that are known: control may be restarting
    }
    for (const std::string& pod : pods) {
      const auto problem = watch.ask(pod);
      if (problem && round == 0) return fail(*problem);
    }
    if (round == 0) fmt::print(stderr, "watching {}\n", fmt::join(pods, ", "));
    const bool over = o.seconds > 0 && std::chrono::steady_clock::now() >= end;
    if (over || watch.over()) return 0;
    std::this_thread::sleep_for(kEvery);
  }
}

}  // namespace

void register_tap(CLI::App& app) {
  auto o = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "tap", "the requests that a waypoint serves, live: rule, destination, attempts");
  auto* target = command->add_option("TARGET", o->target, "a service or pod: NAMESPACE/NAME");
  auto* pod = command->add_option("--pod", o->pod,
                                  "all requests of this waypoint's or edge's pod: NAMESPACE/NAME");
  target->excludes(pod);
  command->add_option("--from", o->filter.from, "only of this client: NAMESPACE or NAMESPACE/POD");
  command->add_option("--method", o->filter.method, "only with this method");
  command->add_option("--path", o->filter.path, "only where the path starts so");
  command->add_option("--status", o->filter.status, "only with this status: 503, or 5xx")
      ->check([](const std::string& text) {
        return is_tap_status(text) ? std::string() : "write a status such as 503 or 5xx";
      });
  command->add_option("--count", o->count, "end after so many requests have ended")
      ->check(CLI::NonNegativeNumber);
  command->add_option("--for", o->seconds, "end after so many seconds")
      ->check(CLI::Range(1, kMaxSeconds));
  command->add_option("-o,--output", o->format)
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  command->add_option("--name", o->lab, "the lab")->capture_default_str();
  command->footer(
      "A request is shown when it has ended, and one that lasts longer than a second also before:\n"
      "\"under way\". -o json has an object for each event of a request: its \"begin\", the begin "
      "of\n"
      "each \"attempt\", its \"answer\" (the head has come), its \"end\", which all have its "
      "\"id\".\n"
      "While nobody taps, waypoints keep nothing: of what began before only the end is told.\n\n"
      "Examples:\n  culvert tap shop/reviews\n  culvert tap shop/reviews --status 5xx -o json\n"
      "  culvert tap shop/reviews --from shop/front-0 --path /api --count 10");
  command->callback([o] {
    if (o->target.empty() && o->pod.empty()) {
      return exit_with(fail({"name a service or pod", "culvert tap NAMESPACE/NAME"}));
    }
    exit_with(follow(*o));
  });
}

}  // namespace culvert::cli
