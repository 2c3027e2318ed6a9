// `culvert lab apply` and `delete`: what changed is replaced, everything else keeps running.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <set>

#include "lab/changes.hpp"
#include "lab/components.hpp"
#include "lab/config_folder.hpp"
#include "lab/lab.hpp"
#include "lab/network.hpp"
#include "lab/pods.hpp"
#include "lab/waypoints.hpp"

namespace culvert::lab {
namespace {

using Clock = std::chrono::steady_clock;

// Pods of the state that must go: another text under the same name, surplus replicas, or a
// membership in the mesh that a changed Namespace turns over.
std::vector<Pod> superseded(const LabState& state, Manifest& wanted) {
  std::vector<Pod> out;
  std::set<std::string> deployments;
  for (const Document& d : wanted.documents)
    if (d.kind == "Deployment") deployments.insert(d.ns + "/" + d.name);
  for (std::string& key : listed_waypoints(wanted, state.objects))
    deployments.insert(std::move(key));
  std::vector<Namespace> namespaces = wanted.namespaces;
  for (const Namespace& ns : state.objects.namespaces)
    if (std::ranges::find(namespaces, ns.name, &Namespace::name) == namespaces.end())
      namespaces.push_back(ns);
  for (const Pod& pod : state.objects.pods) {
    const auto same =
        std::ranges::find_if(wanted.pods, [&](const Pod& p) { return p.key() == pod.key(); });
    const bool turned = state.mesh && !pod.host_network &&
                        membership_of(pod, namespaces, state.mesh) != pod.membership;
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
  add_waypoints(wanted, state.objects, state.mesh);
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
  if (auto told = retire(state, old_pods, timeout); !told) return std::unexpected(told.error());
  for (const Pod& pod : old_pods)
    if (auto gone = take_out(state, pod); !gone) return std::unexpected(gone.error());
  state.objects.services = next.objects.services;
  state.objects.namespaces = placed->namespaces;
  state.objects.gateways = placed->gateways;
  state.objects.edges = placed->edges;
  state.objects.waypoint_classes = placed->waypoint_classes;
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

// Which pods an object stands for.
bool runs_for(const Document& object, const Pod& pod) {
  const std::string key = object.ns + "/" + object.name;
  if (object.kind == "Pod") return pod.key() == key;
  const bool owned = !pod.owner.empty() && pod.ns + "/" + pod.owner == key;
  if (object.kind == "Deployment") return owned && !is_waypoint(pod);
  return object.key() == "KubernetesGateway " + key && owned && is_waypoint(pod);
}

// A Gateway named on the command line is of the group that the lab has one of; Istio's first.
Document settled(const LabState& state, Document object) {
  const std::string key = object.ns + "/" + object.name;
  const auto& edges = state.objects.edges;
  const bool istio = std::ranges::find(edges, key, &EdgeGateway::key) != edges.end();
  if (object.kind == "KubernetesGateway" ||
      (object.kind == "Gateway" && object.api_version.empty() && !istio)) {
    object.kind = "Gateway";
    object.api_version = "gateway.networking.k8s.io/v1";
  }
  return object;
}

void forget_gateway(LabState& state, const Document& object) {
  Placement& objects = state.objects;
  const std::string key = object.ns + "/" + object.name;
  if (object.kind == "GatewayClass") std::erase(objects.waypoint_classes, object.name);
  if (object.kind != "Gateway") return;
  if (!object.api_version.starts_with("gateway.networking.k8s.io/")) {
    std::erase_if(objects.edges, [&](const EdgeGateway& e) { return e.key() == key; });
    return;
  }
  std::erase_if(objects.gateways, [&](const Gateway& g) { return g.key() == key; });
  std::erase_if(objects.services,
                [&](const Service& s) { return s.key() == key && is_waypoint_service(s); });
}

// Removes one object; false when the lab had no such thing.
Outcome<bool> remove_one(LabState& state, const Document& object, std::chrono::seconds timeout) {
  bool found = false;
  std::vector<Pod> pods;
  std::ranges::copy_if(state.objects.pods, std::back_inserter(pods),
                       [&](const Pod& pod) { return runs_for(object, pod); });
  if (auto told = retire(state, pods, timeout); !told) return std::unexpected(told.error());
  for (const Pod& pod : pods) {
    found = true;
    if (auto gone = take_out(state, pod); !gone) return std::unexpected(gone.error());
  }
  const std::string key = object.ns + "/" + object.name;
  if (object.kind == "Service")
    found = std::erase_if(state.objects.services,
                          [&](const Service& s) { return s.key() == key; }) != 0;
  if (object.kind == "Node")
    return problem("a node cannot leave a running lab",
                   fmt::format("culvert lab down --name {}, then up without it", state.name));
  if (object.lab_owned()) return found;
  forget_gateway(state, object);
  return remove_object(state, object.key());
}

}  // namespace

Outcome<ChangeReport> lab_apply(const std::string& name, const std::vector<std::string>& paths,
                                bool wait, std::chrono::seconds timeout) {
  auto files = read_sources(paths);
  if (!files) return std::unexpected(files.error());
  return lab_apply_files(name, *files, wait, timeout);
}

Outcome<ChangeReport> lab_apply_files(const std::string& name, const std::vector<SourceFile>& files,
                                      bool wait, std::chrono::seconds timeout) {
  const auto begin = Clock::now();
  Manifest manifest = read_manifest(files);
  if (!manifest.problems.empty()) return std::unexpected(manifest_problem(manifest.problems));
  auto lab = open_lab(name);
  if (!lab) return std::unexpected(lab.error());
  auto notes = change(lab->state, std::move(manifest), files, wait, timeout);
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
    auto removed = remove_one(lab->state, settled(lab->state, document), timeout);
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
