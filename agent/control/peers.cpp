#include "peers.hpp"

#include <fmt/format.h>

#include "culvert/config/waypoint_names.hpp"

namespace culvert::control {
namespace {

constexpr std::string_view kProxy = "pod/";

std::string_view name_of(std::string_view peer) {
  return pod_of(peer).substr(namespace_of(peer).size() + 1);
}

}  // namespace

std::string proxy_peer(std::string_view ns, std::string_view pod) {
  return fmt::format("{}{}/{}", kProxy, ns, pod);
}

bool is_proxy(std::string_view peer) {
  return peer.starts_with(kProxy);
}

std::string_view namespace_of(std::string_view peer) {
  const auto pod = pod_of(peer);
  return pod.substr(0, pod.find('/'));
}

std::string_view pod_of(std::string_view peer) {
  return peer.substr(kProxy.size());
}

std::string in_words(std::string_view peer) {
  if (!is_proxy(peer)) return fmt::format("node {}", peer);
  return fmt::format("pod {}", pod_of(peer));
}

std::string socket_path(std::string_view folder, std::string_view peer) {
  if (!is_proxy(peer)) return fmt::format("{}/{}.sock", folder, peer);
  return fmt::format("{}/{}/{}", folder, config::proxy_folder(namespace_of(peer), name_of(peer)),
                     config::kProxySocket);
}

}  // namespace culvert::control
