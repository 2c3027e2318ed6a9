// bpf::SocketMaps over the simulated network instead of the kernel's maps: linked in place of
// lib/bpf/socket_maps.cpp.
#include "culvert/bpf/socket_maps.hpp"

#include "network.hpp"

namespace culvert::bpf {

// A namespace's cookie is its number in the simulated network.
Result<SocketMaps> SocketMaps::open(const std::string&) {
  return SocketMaps();
}

Result<void> SocketMaps::set_listener(std::uint64_t netns_cookie, ListenerKind kind, int family,
                                      unsigned slot, int listener_fd) {
  sim::g_network->offer({static_cast<int>(netns_cookie), kind, family, slot}, listener_fd);
  return {};
}

Result<bool> SocketMaps::has_listener(std::uint64_t netns_cookie, ListenerKind kind, int family,
                                      unsigned slot) const {
  return sim::g_network->offers({static_cast<int>(netns_cookie), kind, family, slot});
}

Result<void> SocketMaps::clear_listener(std::uint64_t netns_cookie, ListenerKind kind, int family,
                                        unsigned slot) {
  sim::g_network->withdraw({static_cast<int>(netns_cookie), kind, family, slot});
  return {};
}

Result<std::optional<SocketAddress>> SocketMaps::original_destination(int accepted_fd) const {
  return sim::g_network->find(accepted_fd)->original_destination;
}

Result<void> SocketMaps::mark(int fd, const std::optional<SocketAddress>& client) const {
  sim::g_network->find(fd)->shown_client = client;
  return {};
}

// Simulated connections have no kernel that measures them.
void SocketMaps::measure(int) const {}

std::optional<TcpHealth> SocketMaps::health(int) const {
  return std::nullopt;
}

}  // namespace culvert::bpf
