// `culvert waypoint`: the waypoints of a lab, made and looked at (after istioctl's command).
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <memory>

#include "culvert/commands.hpp"
#include "culvert/config/waypoint_names.hpp"
#include "culvert/mesh_model.hpp"
#include "culvert/name_filter.hpp"
#include "culvert/output.hpp"
#include "culvert/terminal.hpp"
#include "lab/lab.hpp"
#include "lab/waypoints.hpp"

namespace culvert::cli {
namespace {

struct Options {
  std::string lab = "default", ns, name, traffic = "service", format = "table";
  unsigned replicas = 1;
  bool enroll = false, unenroll = false, dry_run = false;
  int timeout_s = 60;

  std::string namespace_or_default() const { return ns.empty() ? "default" : ns; }
  std::string name_or_default() const { return name.empty() ? "waypoint" : name; }
};
using Shared = std::shared_ptr<Options>;

/// A waypoint and what is known of it.
struct Waypoint {
  lab::Gateway gateway;
  std::vector<lab::Pod> pods;
  std::vector<std::string> services, workloads;  // "NS/NAME" that name it
  bool accepted = false;
  std::string message;  // of its condition
};

/// The Namespace as the lab has it, with or without the label. Empty `waypoint`: without.
std::string namespace_yaml(const lab::LabState& state, const std::string& ns,
                           const std::string& waypoint) {
  lab::Labels labels;
  for (const lab::Namespace& known : state.objects.namespaces)
    if (known.name == ns) labels = known.labels;
  labels.erase(std::string(config::kUseWaypoint));
  labels.erase(std::string(config::kUseWaypointNamespace));
  if (!waypoint.empty()) labels[std::string(config::kUseWaypoint)] = waypoint;
  Json object = {{"apiVersion", "v1"},
                 {"kind", "Namespace"},
                 {"metadata", {{"name", ns}, {"labels", labels}}}};
  return "---\n" + object.dump(1, ' ') + "\n";
}

std::string gateway_yaml(const Options& o) {
  return fmt::format(
      "apiVersion: gateway.networking.k8s.io/v1\n"
      "kind: Gateway\n"
      "metadata:\n"
      "  name: {}\n"
      "  namespace: {}\n"
      "  labels: {{{}: {}}}\n"
      "  annotations: {{{}: \"{}\"}}\n"
      "spec:\n"
      "  gatewayClassName: {}\n"
      "  listeners: [{{name: mesh, port: {}, protocol: {}}}]\n",
      o.name_or_default(), o.namespace_or_default(), config::kWaypointFor, o.traffic,
      config::kReplicas, o.replicas, config::kWaypointClass, config::kWaypointPort,
      config::kHboneProtocol);
}

lab::SourceFile as_file(const Options& o, std::string text) {
  return {fmt::format("waypoint-{}-{}.yaml", o.namespace_or_default(), o.name_or_default()), "/",
          std::move(text)};
}

void report(const Options& o, const char* did, const lab::Outcome<lab::ChangeReport>& outcome) {
  if (!outcome) return exit_with(fail(outcome.error()));
  for (const lab::Note& note : outcome->notes) fmt::print(stderr, "{}\n", note.text);
  fmt::print("waypoint {}/{} {} in {:.1f} s\n", o.namespace_or_default(), o.name_or_default(), did,
             outcome->seconds);
}

void apply(const Options& o) {
  const auto state = lab::load_state(lab::LabNames(o.lab));
  std::string text = gateway_yaml(o);
  if (o.enroll && (state || !o.dry_run)) {
    if (!state) return exit_with(fail(state.error()));
    text += namespace_yaml(*state, o.namespace_or_default(), o.name_or_default());
  }
  if (o.dry_run) {
    fmt::print("{}", text);
    return;
  }
  report(o, "serves",
         lab::lab_apply_files(o.lab, {as_file(o, text)}, true, std::chrono::seconds(o.timeout_s)));
}

std::vector<std::string> names_of(const std::vector<lab::Gateway>& gateways) {
  std::vector<std::string> out;
  for (const lab::Gateway& gateway : gateways) out.push_back(gateway.key());
  return out;
}

void remove(const Options& o) {
  const auto timeout = std::chrono::seconds(o.timeout_s);
  const auto state = lab::load_state(lab::LabNames(o.lab));
  if (!state) return exit_with(fail(state.error()));
  const auto known = names_of(state->objects.gateways);
  if (std::ranges::find(known, o.namespace_or_default() + "/" + o.name_or_default()) == known.end())
    return exit_with(
        fail(NameFilter(o.namespace_or_default(), o.name_or_default()).nothing("waypoint", known)));
  if (o.unenroll) {
    auto without = lab::lab_apply_files(
        o.lab, {as_file(o, namespace_yaml(*state, o.namespace_or_default(), ""))}, true, timeout);
    if (!without) return exit_with(fail(without.error()));
  }
  const auto outcome =
      lab::lab_delete(o.lab, {}, "KubernetesGateway",
                      o.namespace_or_default() + "/" + o.name_or_default(), true, timeout);
  report(o, "is gone", outcome);
  for (const lab::Namespace& ns : outcome->state.objects.namespaces) {
    const auto label = ns.labels.find(std::string(config::kUseWaypoint));
    if (ns.name == o.namespace_or_default() && label != ns.labels.end() &&
        label->second == o.name_or_default())
      fmt::print(stderr,
                 "namespace {0} still names it: traffic to its services is refused. To end that: "
                 "culvert waypoint delete {1} -n {0} --unenroll-namespace, or apply it again\n",
                 ns.name, o.name_or_default());
  }
}

/// Who names the waypoint, by the address that control gave it.
void add_users(const mesh::Snapshot& snapshot, Waypoint& out) {
  const auto key =
      fmt::format("{}/{}.{}.svc.cluster.local", out.gateway.ns, out.gateway.name, out.gateway.ns);
  const auto names_it = [&](const std::optional<mesh::GatewayAddress>& address) {
    const auto* host = address ? std::get_if<std::string>(&address->destination) : nullptr;
    return host != nullptr && *host == key;
  };
  for (const auto& s : snapshot.services())
    if (names_it(s->waypoint)) out.services.push_back(s->ns + "/" + s->name);
  for (const auto& w : snapshot.workloads())
    if (names_it(w->waypoint)) out.workloads.push_back(w->ns + "/" + w->name);
  std::ranges::sort(out.services);
  std::ranges::sort(out.workloads);
}

lab::Outcome<std::vector<Waypoint>> load(const Options& o) {
  const auto source = MeshSource::open(o.lab);
  if (!source) return std::unexpected(source.error());
  const auto model = load_model(*source);
  if (!model) return std::unexpected(model.error());
  const auto status = source->control("/status");
  if (!status) return std::unexpected(status.error());
  const lab::Placement& objects = source->state().objects;
  const NameFilter filter(o.ns, o.name);
  std::vector<Waypoint> out;
  const auto known = names_of(objects.gateways);
  for (const lab::Gateway& gateway : objects.gateways) {
    if (!filter.takes(gateway.ns, gateway.name)) continue;
    Waypoint one{.gateway = gateway, .pods = {}, .services = {}, .workloads = {}, .message = {}};
    for (const lab::Pod& pod : objects.pods)
      if (lab::is_waypoint(pod) && pod.ns == gateway.ns && pod.owner == gateway.name)
        one.pods.push_back(pod);
    for (const Json& c : status->value("conditions", Json::array())) {
      if (c.value("kind", "") != "KubernetesGateway" || c.value("namespace", "") != gateway.ns ||
          c.value("name", "") != gateway.name || c.value("type", "") != "Accepted")
        continue;
      one.accepted = c.value("status", false);
      one.message = c.value("message", "");
    }
    add_users(*model->snapshot, one);
    out.push_back(std::move(one));
  }
  if (out.empty() && filter.names_one()) return std::unexpected(filter.nothing("waypoint", known));
  if (out.empty() && known.empty()) {
    fmt::print(stderr, "there is no waypoint yet: culvert waypoint apply makes one\n");
  } else if (out.empty()) {
    fmt::print(stderr, "there is no waypoint in namespace {}; there are {}\n", o.ns,
               fmt::join(known, ", "));
  }
  return out;
}

Json json_of(const Waypoint& w) {
  Json pods = Json::array();
  for (const lab::Pod& pod : w.pods) {
    Json ips = Json::array();
    for (const IpAddress& ip : pod.ips) ips.push_back(ip.to_string());
    pods.push_back({{"name", pod.name}, {"node", pod.node}, {"ips", ips}, {"ready", pod.ready}});
  }
  return {{"namespace", w.gateway.ns},
          {"name", w.gateway.name},
          {"class", w.gateway.class_name},
          {"replicas", w.gateway.replicas},
          {"accepted", w.accepted},
          {"message", w.message},
          {"pods", pods},
          {"services", w.services},
          {"workloads", w.workloads}};
}

std::string ready_words(const Waypoint& w) {
  const auto ready = std::ranges::count_if(w.pods, &lab::Pod::ready);
  const auto text = fmt::format("{}/{}", ready, w.pods.size());
  return colored(text, ready == 0 ? Color::kRed : Color::kGreen);
}

int list(const Options& o) {
  const auto all = load(o);
  if (!all) return fail(all.error());
  if (o.format != "table") {
    Json documents = Json::array();
    for (const Waypoint& w : *all) documents.push_back(json_of(w));
    print_document(o.format, documents);
    return 0;
  }
  Table table({"WAYPOINT", "CLASS", "READY", "SERVICES", "WORKLOADS", "STATE"});
  for (const Waypoint& w : *all)
    table.add({w.gateway.key(), w.gateway.class_name, ready_words(w),
               std::to_string(w.services.size()), std::to_string(w.workloads.size()), w.message});
  fmt::print("{}", table.to_string());
  return 0;
}

// 1 when one of them is not accepted, or has no pod that is ready.
int status(const Options& o) {
  const auto all = load(o);
  if (!all) return fail(all.error());
  int out = 0;
  Json documents = Json::array();
  for (const Waypoint& w : *all) {
    documents.push_back(json_of(w));
    if (!w.accepted || std::ranges::none_of(w.pods, &lab::Pod::ready)) out = 1;
    if (o.format != "table") continue;
    fmt::print("{}: {}, {} ready\n", colored(w.gateway.key(), Color::kBold), w.message,
               ready_words(w));
    for (const lab::Pod& pod : w.pods)
      fmt::print(
          "  pod {} on {}: {}\n", pod.name, pod.node,
          pod.ready ? colored("ready", Color::kGreen) : colored("not ready", Color::kYellow));
    fmt::print("  services: {}\n  workloads: {}\n",
               w.services.empty() ? "none" : fmt::format("{}", fmt::join(w.services, ", ")),
               w.workloads.empty() ? "none" : fmt::format("{}", fmt::join(w.workloads, ", ")));
  }
  if (o.format != "table") print_document(o.format, documents);
  return out;
}

CLI::App* add(CLI::App& parent, const Shared& o, const char* name, const char* what,
              const char* examples) {
  CLI::App* command = parent.add_subcommand(name, what);
  command->footer(std::string("Examples:\n") + examples);
  command->add_option("waypoint", o->name, "the Gateway's name");
  command->add_option("-n,--namespace", o->ns, "its namespace");
  command->add_option("--name", o->lab, "the lab")->capture_default_str();
  return command;
}

void add_timeout(CLI::App* command, const Shared& o) {
  command->add_option("--timeout", o->timeout_s, "seconds to wait until it is in force")
      ->check(CLI::Range(1, 3600))
      ->capture_default_str();
}

}  // namespace

void register_waypoint(CLI::App& app) {
  auto o = std::make_shared<Options>();
  CLI::App* waypoint = app.add_subcommand("waypoint", "waypoints: make, list, remove");
  waypoint->require_subcommand(1);
  waypoint->footer(
      "A waypoint applies HTTP rules to the traffic of the services (or pods) that name it.\n\n"
      "Examples:\n  culvert waypoint apply -n shop --enroll-namespace\n"
      "  culvert waypoint list\n  culvert waypoint delete -n shop --unenroll-namespace");

  CLI::App* make = add(*waypoint, o, "apply",
                       "start a waypoint (\"waypoint\" by default), or change it; returns when it "
                       "serves",
                       "  culvert waypoint apply -n shop --enroll-namespace\n"
                       "  culvert waypoint apply l7 -n shop --for all --replicas 2\n"
                       "  culvert waypoint apply -n shop --dry-run >waypoint.yaml");
  make->add_option("--for", o->traffic, "which traffic it takes")
      ->check(CLI::IsMember({"service", "workload", "all", "none"}))
      ->capture_default_str();
  make->add_option("--replicas", o->replicas, "pods")
      ->check(CLI::Range(0U, lab::kWaypointReplicasMax))
      ->capture_default_str();
  make->add_flag("--enroll-namespace", o->enroll, "label the namespace so that it uses it");
  make->add_flag("--dry-run", o->dry_run, "print the objects only");
  add_timeout(make, o);
  make->callback([o] { apply(*o); });

  CLI::App* all = add(*waypoint, o, "list", "the waypoints of a lab and who uses them",
                      "  culvert waypoint list\n  culvert waypoint list -n shop -o json");
  add_output(all, o->format);
  all->callback([o] { exit_with(list(*o)); });

  CLI::App* one = add(*waypoint, o, "status",
                      "each waypoint with its pods and users; exit status 1 when one cannot serve",
                      "  culvert waypoint status\n  culvert waypoint status l7 -n shop -o json");
  add_output(one, o->format);
  one->callback([o] { exit_with(status(*o)); });

  CLI::App* gone = add(*waypoint, o, "delete",
                       "drain and remove a waypoint; what names it is refused from then on",
                       "  culvert waypoint delete -n shop --unenroll-namespace\n"
                       "  culvert waypoint delete l7 -n shop");
  gone->add_flag("--unenroll-namespace", o->unenroll, "first take the namespace's label away");
  add_timeout(gone, o);
  gone->callback([o] { remove(*o); });
}

}  // namespace culvert::cli
