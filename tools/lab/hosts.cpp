#include "lab/hosts.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace culvert::lab {
namespace {

constexpr const char* kClusterDomain = "cluster.local";

// One ready pod's addresses, or all ready pods' for a headless service.
std::vector<IpAddress> endpoints(const Service& service, const std::vector<Pod>& pods) {
  std::vector<IpAddress> out;
  for (const Pod& pod : pods) {
    if (!pod.ready || !selects(service, pod)) continue;
    out.insert(out.end(), pod.ips.begin(), pod.ips.end());
    if (!service.headless) break;
  }
  return out;
}

}  // namespace

bool selects(const Service& service, const Pod& pod) {
  if (service.selector.empty() || service.ns != pod.ns) return false;
  return std::ranges::all_of(service.selector, [&](const auto& label) {
    const auto found = pod.labels.find(label.first);
    return found != pod.labels.end() && found->second == label.second;
  });
}

std::string hosts_file(const Pod& pod, const std::vector<Service>& services,
                       const std::vector<Pod>& pods) {
  std::string out =
      "# Written by culvert lab; kept up to date while the lab runs.\n"
      "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n";
  for (const IpAddress& ip : pod.ips) out += fmt::format("{}\t{}\n", ip.to_string(), pod.name);
  for (const Service& s : services) {
    if (s.external_name) continue;
    std::string names =
        fmt::format("{0}.{1} {0}.{1}.svc {0}.{1}.svc.{2}", s.name, s.ns, kClusterDomain);
    if (s.ns == pod.ns && s.name != pod.name) names = s.name + " " + names;
    const bool by_cluster_ip = pod.meshed() && !s.headless;
    for (const IpAddress& ip : by_cluster_ip ? s.cluster_ips : endpoints(s, pods))
      out += fmt::format("{}\t{}\n", ip.to_string(), names);
  }
  return out;
}

}  // namespace culvert::lab
