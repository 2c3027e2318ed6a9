// `culvert workloads`, `services`, `policies`: the mesh as control serves it.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <memory>

#include "culvert/commands.hpp"
#include "culvert/mesh_json.hpp"
#include "culvert/mesh_model.hpp"
#include "culvert/name_filter.hpp"
#include "culvert/output.hpp"
#include "culvert/terminal.hpp"

namespace culvert::cli {
namespace {

struct Options {
  std::string lab = "default", ns, name, node, workload, format = "table";
};
using Shared = std::shared_ptr<Options>;

// What a command prints: a table for people, documents for programs.
struct Listing {
  Table table;
  Json documents = Json::array();
};

template <class T>
void sort_by_name(std::vector<std::shared_ptr<const T>>& all) {
  std::ranges::sort(all, {}, [](const auto& one) { return std::pair(one->ns, one->name); });
}

template <class T>
std::vector<std::string> keys_of(const std::vector<std::shared_ptr<const T>>& all) {
  std::vector<std::string> out;
  for (const auto& one : all) out.push_back(one->ns + "/" + one->name);
  return out;
}

std::string join_ips(const std::vector<IpAddress>& ips) {
  std::vector<std::string> out;
  for (const IpAddress& ip : ips) out.push_back(ip.to_string());
  return out.empty() ? "-" : fmt::format("{}", fmt::join(out, ","));
}

std::string ready_word(bool ready) {
  return ready ? colored("ready", Color::kGreen) : colored("not ready", Color::kYellow);
}

lab::Outcome<Listing> list_workloads(const Options& o, const MeshSource& source,
                                     const MeshModel& model) {
  if (auto nodes = source.nodes(o.node); !nodes) return std::unexpected(nodes.error());
  auto all = model.snapshot->workloads();
  sort_by_name(all);
  const NameFilter filter(o.ns, o.name);
  Listing out{Table({"WORKLOAD", "NODE", "ADDRESSES", "PROTOCOL", "SERVICE ACCOUNT", "STATE"})};
  for (const auto& w : all) {
    if (!filter.takes(w->ns, w->name) || (!o.node.empty() && w->node != o.node)) continue;
    out.table.add({w->ns + "/" + w->name, w->node, join_ips(w->addresses), protocol_words(*w),
                   w->service_account, ready_word(w->healthy)});
    out.documents.push_back(workload_json(*w));
  }
  if (out.documents.empty() && filter.names_one())
    return std::unexpected(filter.nothing("workload", keys_of(all)));
  return out;
}

std::string ports_words(const mesh::Service& service) {
  std::vector<std::string> out;
  for (const auto& port : service.ports)
    out.push_back(port.target_port == 0 ? fmt::format("{} to each pod's own", port.service_port)
                  : port.target_port == port.service_port
                      ? std::to_string(port.service_port)
                      : fmt::format("{} to {}", port.service_port, port.target_port));
  return out.empty() ? "-" : fmt::format("{}", fmt::join(out, ", "));
}

lab::Outcome<Listing> list_services(const Options& o, const MeshSource&, const MeshModel& model) {
  auto all = model.snapshot->services();
  sort_by_name(all);
  const NameFilter filter(o.ns, o.name);
  Listing out{Table({"SERVICE", "ADDRESSES", "PORTS", "ENDPOINTS", "HOSTNAME"})};
  for (const auto& s : all) {
    if (!filter.takes(s->ns, s->name)) continue;
    const auto endpoints = model.snapshot->endpoints(s->key());
    const auto ready = std::ranges::count_if(endpoints, [&](const mesh::Endpoint& e) {
      return e.workload->healthy || s->allow_unhealthy;
    });
    std::vector<IpAddress> vips;
    for (const auto& vip : s->vips) vips.push_back(vip.ip);
    const std::string counts = fmt::format("{} of {} ready", ready, endpoints.size());
    out.table.add({s->ns + "/" + s->name, join_ips(vips), ports_words(*s),
                   colored(counts, ready == 0 ? Color::kRed : Color::kGreen), s->hostname});
    out.documents.push_back(service_json(*model.snapshot, *s));
  }
  if (out.documents.empty() && filter.names_one())
    return std::unexpected(filter.nothing("service", keys_of(all)));
  return out;
}

bool concerns(const mesh::Policy& policy, const mesh::Workload& workload) {
  switch (policy.scope) {
    case mesh::Policy::Scope::kGlobal:
      return true;
    case mesh::Policy::Scope::kNamespace:
      return policy.ns == workload.ns;
    case mesh::Policy::Scope::kWorkload:
      return std::ranges::find(workload.policies, policy.key()) != workload.policies.end();
  }
  return false;
}

lab::Outcome<Listing> list_policies(const Options& o, const MeshSource&, const MeshModel& model) {
  auto all = model.snapshot->policies();
  auto workloads = model.snapshot->workloads();
  sort_by_name(all);
  const NameFilter filter(o.ns, o.name), pods("", o.workload);
  if (!o.workload.empty() && std::ranges::none_of(workloads, [&](const mesh::WorkloadPtr& w) {
        return pods.takes(w->ns, w->name);
      }))
    return std::unexpected(pods.nothing("workload", keys_of(workloads)));
  Listing out{Table({"POLICY", "ACTION", "SCOPE", "WORKLOADS", "RULES", "DEFINED"})};
  for (const auto& p : all) {
    if (!filter.takes(p->ns, p->name)) continue;
    std::vector<std::string> selected;
    bool wanted = o.workload.empty();
    for (const auto& w : workloads) {
      if (!concerns(*p, *w)) continue;
      selected.push_back(w->ns + "/" + w->name);
      wanted = wanted || pods.takes(w->ns, w->name);
    }
    if (!wanted) continue;
    std::ranges::sort(selected);
    const std::string place = model.policy_place(*p);
    out.table.add({p->key(), std::string(action_name(p->action)) + (p->dry_run ? ", dry run" : ""),
                   scope_name(p->scope), std::to_string(selected.size()),
                   std::to_string(p->rules.size()), place.empty() ? "-" : place});
    Json document = policy_json(*p);
    document["workloads"] = selected;
    document["defined"] = place;
    out.documents.push_back(std::move(document));
  }
  if (out.documents.empty() && filter.names_one())
    return std::unexpected(filter.nothing("policy", keys_of(all)));
  return out;
}

using List = lab::Outcome<Listing> (*)(const Options&, const MeshSource&, const MeshModel&);

void run(const Options& o, List list) {
  const auto source = MeshSource::open(o.lab);
  if (!source) return exit_with(fail(source.error()));
  const auto model = load_model(*source);
  if (!model) return exit_with(fail(model.error()));
  const auto listing = list(o, *source, *model);
  if (!listing) return exit_with(fail(listing.error()));
  if (o.format != "table") return print_document(o.format, listing->documents);
  fmt::print("{}", listing->table.to_string());
}

CLI::App* add(CLI::App& app, const Shared& o, const char* name, const char* what, List list) {
  CLI::App* command = app.add_subcommand(name, what);
  command->add_option("object", o->name, "only this: NAME or NAMESPACE/NAME");
  command->add_option("-n,--namespace", o->ns, "only those of this namespace");
  command->add_option("--name", o->lab, "the lab")->capture_default_str();
  add_output(command, o->format);
  command->callback([o, list] { run(*o, list); });
  return command;
}

constexpr const char* kSource =
    "\nIt shows what control serves; culvert status tells which nodes have acknowledged it.\n"
    "Exit status 1 when control does not answer or nothing has the name.\n";

}  // namespace

void register_workloads(CLI::App& app) {
  auto o = std::make_shared<Options>();
  CLI::App* command =
      add(app, o, "workloads", "who is in the mesh's model: addresses, identities", list_workloads);
  command->add_option("--node", o->node, "only those on this node");
  command->footer(std::string("Examples:\n  culvert workloads\n"
                              "  culvert workloads -n shop --node east\n"
                              "  culvert workloads shop/web -o yaml\n") +
                  kSource);
}

void register_services(CLI::App& app) {
  auto o = std::make_shared<Options>();
  CLI::App* command =
      add(app, o, "services", "services, their addresses, ports and endpoints", list_services);
  command->footer(std::string("Examples:\n  culvert services\n  culvert services -n shop\n"
                              "  culvert services shop/web -o json\n") +
                  kSource);
}

void register_policies(CLI::App& app) {
  auto o = std::make_shared<Options>();
  CLI::App* command =
      add(app, o, "policies", "L4 policies as ztunnels have them, and whom they concern",
          list_policies);
  command->add_option("--workload", o->workload, "only those that concern this workload");
  command->footer(
      std::string("PeerAuthentications appear as the DENY policies that they become.\n\n"
                  "Examples:\n  culvert policies\n"
                  "  culvert policies --workload shop/web\n"
                  "  culvert policies shop/deny-all -o yaml\n") +
      kSource);
}

}  // namespace culvert::cli
