// `culvert lab apply` and `delete`: what changed is replaced, everything else keeps running.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "lab/changes.hpp"
#include "lab/components.hpp"
#include "lab/config_folder.hpp"
#include "lab/lab.hpp"
#include "lab/network.hpp"
#include "lab/pods.hpp"

namespace culvert::lab {
namespace {

using Clock = std::chrono::steady_clock;

struct OpenLab {
  LabLock lock;
  LabState state;
};

Outcome<OpenLab> open_lab(const std::string& name) {
  const LabNames names(name);
  auto lock = LabLock::open(names);
  if (!lock) return std::unexpected(lock.error());
  auto state = load_state(names);
  if (!state) return std::unexpected(state.error());
  if (!state->up)
    return problem(fmt::format("lab {} was left half made", name),
                   fmt::format("remove it with: culvert lab down --name {}", name));
  return OpenLab{std::move(*lock), std::move(*state)};
}

AddressPool pool_of(const LabState& state) {
  AddressPool pool(state.plan);
  for (const Node& node : state.objects.nodes)
    for (const IpAddress& ip : node.ips) pool.take(ip);
  for (const Pod& pod : state.objects.pods)
    for (const IpAddress& ip : pod.ips) pool.take(ip);
  for (const Service& service : state.objects.services)
    for (const IpAddress& ip : service.cluster_ips) pool.take(ip);
  return pool;
}

Outcome<void> take_out(LabState& state, const Pod& pod) {
  if (pod.meshed())
    if (auto gone = withdraw(state, pod); !gone) return gone;
  if (auto removed = remove_pod(state, pod); !removed) return removed;
  std::erase_if(state.objects.pods, [&](const Pod& p) { return p.key() == pod.key(); });
  return {};
}

// Pods of the state that must go: another text under the same name, surplus replicas, or a
// membership in the mesh that a changed Namespace turns over.
std::vector<Pod> superseded(const LabState& state, Manifest& wanted) {
  std::vector<Pod> out;
  std::set<std::string> deployments;
  for (const Document& d : wanted.documents)
    if (d.kind == "Deployment") deployments.insert(d.ns + "/" + d.name);
  std::vector<Namespace> namespaces = wanted.namespaces;
  for (const Namespace& ns : state.objects.namespaces)
    if (std::ranges::find(namespaces, ns.name, &Namespace::name) == namespaces.end())
      namespaces.push_back(ns);
  for (const Pod& pod : state.objects.pods) {
    const auto same =
        std::ranges::find_if(wanted.pods, [&](const Pod& p) { return p.key() == pod.key(); });
    const bool turned = (membership_of(pod, namespaces, state.mesh) != pod.membership) &&
                        !pod.host_network && state.mesh;
    if (same == wanted.pods.end()) {
      const bool surplus = !pod.owner.empty() && deployments.contains(pod.ns + "/" + pod.owner);
      if (!surplus && !turned) continue;
      out.push_back(pod);
      if (!surplus) wanted.pods.push_back(fresh_pod(pod));
    } else if (same->source == pod.source && !turned) {
      wanted.pods.erase(same);  // keeps running
    } else {
      out.push_back(pod);
    }
  }
  return out;
}

void replace_services(LabState& state, Manifest& wanted, AddressPool& pool) {
  for (Service& service : wanted.services) {
    const auto old = std::ranges::find_if(
        state.objects.services, [&](const Service& s) { return s.key() == service.key(); });
    if (old == state.objects.services.end()) continue;
    for (const IpAddress& ip : old->cluster_ips) pool.release(ip);
    // A service keeps the ClusterIP that the lab gave it.
    const bool keep = service.cluster_ips.empty() && !service.headless && !service.external_name;
    if (keep) service.cluster_ips = old->cluster_ips;
    state.objects.services.erase(old);
  }
}

Outcome<void> add_nodes(LabState& state, const std::vector<Node>& nodes,
                        std::chrono::seconds timeout) {
  const LabNames names(state.name);
  for (const Node& node : nodes) {
    state.objects.nodes.push_back(node);
    if (auto made = create_node_network(names, state.plan, node); !made) return made;
  }
  if (nodes.empty()) return {};
  if (auto routed = route_nodes(names, state.objects.nodes); !routed) return routed;
  if (auto written = write_objects(state); !written) return written;
  if (!state.mesh) return {};
  if (auto synced = sync_config(state, timeout); !synced) return std::unexpected(synced.error());
  for (const Node& node : nodes) {
    if (auto started = start_node(state, node); !started) return started;
    if (auto ready = wait_agent_ready(state, node, timeout); !ready) return ready;
    if (auto ready = wait_ztunnel_ready(state, node, timeout); !ready) return ready;
  }
  return {};
}

template <class T>
void append(std::vector<T>& to, const std::vector<T>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

Outcome<std::vector<Note>> change(LabState& state, Manifest wanted,
                                  const std::vector<SourceFile>& files, bool wait,
                                  std::chrono::seconds timeout) {
  AddressPool pool = pool_of(state);
  const std::vector<Pod> old_pods = superseded(state, wanted);
  Placement staying = state.objects;
  for (const Pod& pod : old_pods) {
    std::erase_if(staying.pods, [&](const Pod& p) { return p.key() == pod.key(); });
    if (!pod.host_network)
      for (const IpAddress& ip : pod.ips) pool.release(ip);
  }
  LabState next = state;
  replace_services(next, wanted, pool);
  auto placed = place(wanted, staying, state.mesh, pool, random_uid);
  if (!placed) return std::unexpected(placed.error());
  // From here on the lab changes; all refusals are above.
  for (const Pod& pod : old_pods)
    if (auto gone = take_out(state, pod); !gone) return std::unexpected(gone.error());
  state.objects.services = next.objects.services;
  state.objects.namespaces = placed->namespaces;
  append(state.objects.services, placed->services);
  if (auto added = add_files(state, files); !added) return std::unexpected(added.error());
  if (auto added = add_nodes(state, placed->nodes, timeout); !added)
    return std::unexpected(added.error());
  append(state.objects.pods, placed->pods);
  if (auto written = write_objects(state); !written) return std::unexpected(written.error());
  if (auto saved = save_state(state); !saved) return std::unexpected(saved.error());
  if (auto started = start_pods(state, placed->pods); !started)
    return std::unexpected(started.error());
  return settle(state, wait, timeout);
}

ChangeReport report(LabState state, std::vector<Note> notes, Clock::time_point begin) {
  return {std::move(state), std::move(notes),
          std::chrono::duration<double>(Clock::now() - begin).count()};
}

// Removes one object; "" when the lab had no such thing.
Outcome<bool> remove_one(LabState& state, const Document& object) {
  bool found = false;
  const std::vector<Pod> pods = state.objects.pods;
  const std::string key = object.ns + "/" + object.name;
  for (const Pod& pod : pods) {
    const bool meant = (object.kind == "Pod" && pod.key() == key) ||
                       (object.kind == "Deployment" && pod.ns + "/" + pod.owner == key);
    if (!meant) continue;
    found = true;
    if (auto gone = take_out(state, pod); !gone) return std::unexpected(gone.error());
  }
  if (object.kind == "Service")
    found = std::erase_if(state.objects.services,
                          [&](const Service& s) { return s.key() == key; }) != 0;
  if (object.kind == "Node")
    return problem("a node cannot leave a running lab",
                   fmt::format("culvert lab down --name {}, then up without it", state.name));
  if (object.lab_owned()) return found;
  return remove_object(state, object.key());
}

}  // namespace

Outcome<ChangeReport> lab_apply(const std::string& name, const std::vector<std::string>& paths,
                                bool wait, std::chrono::seconds timeout) {
  const auto begin = Clock::now();
  auto files = read_sources(paths);
  if (!files) return std::unexpected(files.error());
  Manifest manifest = read_manifest(*files);
  if (!manifest.problems.empty()) return std::unexpected(manifest_problem(manifest.problems));
  auto lab = open_lab(name);
  if (!lab) return std::unexpected(lab.error());
  auto notes = change(lab->state, std::move(manifest), *files, wait, timeout);
  // Whatever was reached is what the lab now is.
  if (auto saved = save_state(lab->state); !saved) return std::unexpected(saved.error());
  if (!notes) return std::unexpected(notes.error());
  return report(std::move(lab->state), std::move(*notes), begin);
}

Outcome<ChangeReport> lab_delete(const std::string& name, const std::vector<std::string>& paths,
                                 const std::string& kind, const std::string& object, bool wait,
                                 std::chrono::seconds timeout) {
  const auto begin = Clock::now();
  auto files = read_sources(paths);
  if (!files) return std::unexpected(files.error());
  std::vector<Document> objects = read_manifest(*files).documents;
  if (!kind.empty()) {
    const std::size_t slash = object.find('/');
    Document one{.kind = kind};
    one.ns = slash == std::string::npos ? "default" : object.substr(0, slash);
    one.name = object.substr(slash == std::string::npos ? 0 : slash + 1);
    if (kind == "Namespace" || kind == "GatewayClass") one.ns.clear();
    objects.push_back(one);
  }
  auto lab = open_lab(name);
  if (!lab) return std::unexpected(lab.error());
  std::string missing;
  for (const Document& document : objects) {
    auto removed = remove_one(lab->state, document);
    if (!removed) {
      (void)save_state(lab->state);
      return std::unexpected(removed.error());
    }
    if (!*removed) missing += " " + document.key();
  }
  if (auto written = write_hosts(lab->state); !written) return std::unexpected(written.error());
  auto notes = settle(lab->state, wait, timeout);
  if (auto saved = save_state(lab->state); !saved) return std::unexpected(saved.error());
  if (!notes) return std::unexpected(notes.error());
  if (!missing.empty())
    return problem(fmt::format("lab {} has no{}", name, missing),
                   "kinds are written as in manifests, e.g. AuthorizationPolicy shop/deny-all");
  return report(std::move(lab->state), std::move(*notes), begin);
}

}  // namespace culvert::lab
