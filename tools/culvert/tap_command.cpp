// `culvert tap`: the requests that a waypoint serves, as they end.
#include <fmt/format.h>
#include <fmt/ranges.h>

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

/// The pods that are asked, "NAMESPACE/NAME", and the filter for what is theirs alone.
lab::Outcome<std::vector<std::string>> find_pods(Options& o, const MeshModel& model) {
  if (!o.pod.empty()) return std::vector{o.pod};
  const auto slash = o.target.find('/');
  const std::string ns = slash == std::string::npos ? "default" : o.target.substr(0, slash);
  const std::string name = o.target.substr(slash + 1);
  const mesh::GatewayAddress* gateway = nullptr;
  std::vector<std::string> known;
  for (const auto& service : model.snapshot->services()) {
    known.push_back(service->ns + "/" + service->name);
    if (service->ns != ns || service->name != name) continue;
    o.filter.service = service->hostname;
    if (service->waypoint) gateway = &*service->waypoint;
  }
  const auto workload = model.snapshot->workload_named(ns, name);
  if (o.filter.service.empty()) {
    if (workload == nullptr) {
      return lab::problem(fmt::format("there is no service or pod {}", o.target),
                          did_you_mean(o.target, known, "culvert services lists the services"));
    }
    o.filter.pod = o.target;
    if (workload->waypoint) gateway = &*workload->waypoint;
  }
  if (gateway == nullptr) {
    return lab::problem(fmt::format("{} has no waypoint, which alone knows of requests", o.target),
                        "label it istio.io/use-waypoint; culvert connections shows connections");
  }
  std::vector<std::string> out;
  const auto waypoint = mesh::find_waypoint(*model.snapshot, *gateway, ns);
  for (const auto& w : mesh::waypoint_workloads(*model.snapshot, waypoint)) {
    out.push_back(w->ns + "/" + w->name);
  }
  if (!out.empty()) return out;
  return lab::problem(fmt::format("the waypoint {} has no workload", mesh::waypoint_name(*gateway)),
                      "see culvert status");
}

void show(const Options& o, const Json& request) {
  if (o.format == "json") {
    fmt::print("{}\n", request.dump(-1, ' ', false, Json::error_handler_t::replace));
  } else {
    fmt::print("{}", tap_text(request));
  }
  std::fflush(stdout);
}

/// What each pod was asked for last, and how much has been shown.
class Watch {
 public:
  Watch(const Options& options, const MeshSource& source) : o_(options), source_(source) {}

  /// Shows what a pod has had since; a problem when it does not answer.
  std::optional<lab::Problem> ask(const std::string& pod) {
    const auto known = next_.find(pod);
    const auto page = source_.waypoint_page(
        pod, known == next_.end() ? "/tap" : fmt::format("/tap?after={}", known->second));
    if (!page) return page.error();
    const auto batch = parse_tap(*page);
    if (!batch) return lab::Problem{fmt::format("pod {} is no waypoint", pod), ""};
    next_[pod] = batch->next;
    if (batch->lost > 0) fmt::print(stderr, "{} requests were not kept\n", batch->lost);
    for (const Json& request : batch->requests) {
      if (enough() || !o_.filter.takes(request)) continue;
      show(o_, request);
      ++shown_;
    }
    return std::nullopt;
  }
  bool enough() const { return o_.count > 0 && shown_ >= o_.count; }

 private:
  const Options& o_;
  const MeshSource& source_;
  std::map<std::string, std::uint64_t> next_;
  int shown_ = 0;
};

// The exit status. A replica that goes is left out; new ones are found as the mesh tells of them.
int follow(Options o) {
  const auto source = MeshSource::open(o.lab);
  if (!source) return fail(source.error());
  Watch watch(o, *source);
  std::vector<std::string> pods;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(o.seconds);
  for (int round = 0;; ++round) {
    if (round % kRoundsOfOneModel == 0) {
      const auto model = load_model(*source);
      if (!model) return fail(model.error());
      auto found = find_pods(o, *model);
      if (!found) return fail(found.error());
      pods = std::move(*found);
    }
    for (const std::string& pod : pods) {
      const auto problem = watch.ask(pod);
      if (problem && round == 0) return fail(*problem);
    }
    if (round == 0) fmt::print(stderr, "watching {}\n", fmt::join(pods, ", "));
    const bool over = o.seconds > 0 && std::chrono::steady_clock::now() >= end;
    if (over || watch.enough()) return 0;
    std::this_thread::sleep_for(kEvery);
  }
}

}  // namespace

void register_tap(CLI::App& app) {
  auto o = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "tap", "the requests that a waypoint serves, as they end: rule, destination, attempts");
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
  command->add_option("--count", o->count, "end after so many")->check(CLI::NonNegativeNumber);
  command->add_option("--for", o->seconds, "end after so many seconds")
      ->check(CLI::Range(1, kMaxSeconds));
  command->add_option("-o,--output", o->format)
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  command->add_option("--name", o->lab, "the lab")->capture_default_str();
  command->footer(
      "A request is shown when it has ended. While nobody taps, waypoints keep nothing.\n\n"
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
