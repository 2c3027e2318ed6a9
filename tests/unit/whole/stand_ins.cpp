// What stands in for the kernel's maps and the pods' namespaces: linked in place of
// lib/bpf/socket_maps.cpp and of the C library's setns().
#include <sched.h>

#include "culvert/bpf/socket_maps.hpp"
#include "two_nodes.hpp"

namespace {

culvert::SocketAddress g_destination;

}  // namespace

// Every pod is in the test's own namespace.
extern "C" int setns(int, int) noexcept {
  return 0;
}

namespace culvert {

void testing::set_original_destination(const SocketAddress& destination) {
  g_destination = destination;
}

namespace bpf {

Result<SocketMaps> SocketMaps::open(const std::string&) {
  return SocketMaps();
}
Result<void> SocketMaps::set_listener(std::uint64_t, ListenerKind, int, unsigned, int) {
  return {};
}
Result<bool> SocketMaps::has_listener(std::uint64_t, ListenerKind, int, unsigned) const {
  return false;
}
Result<void> SocketMaps::clear_listener(std::uint64_t, ListenerKind, int, unsigned) {
  return {};
}
Result<std::optional<SocketAddress>> SocketMaps::original_destination(int) const {
  return g_destination;
}
Result<void> SocketMaps::mark(int, const std::optional<SocketAddress>&) const {
  return {};
}
void SocketMaps::measure(int) const {}
std::optional<TcpHealth> SocketMaps::health(int) const {
  return std::nullopt;
}

}  // namespace bpf
}  // namespace culvert
