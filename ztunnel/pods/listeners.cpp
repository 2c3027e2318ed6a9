#include "ztunnel/pods/listeners.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "culvert/proxy/sockets.hpp"
#include "ztunnel/settings.hpp"
#include "ztunnel/worker/dial.hpp"

namespace culvert::ztunnel {
namespace {

constexpr std::array kKinds{bpf::ListenerKind::kOutbound, bpf::ListenerKind::kHbone,
                            bpf::ListenerKind::kPlaintext};

// What is set here is inherited by what it accepts, without a call for each.
// No SO_REUSEPORT: a root process of the pod could join the group and take connections past policy.
Result<UniqueFd> listen_on_loopback(int family, bpf::ListenerKind kind) {
  UniqueFd fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return fail_errno(errno, "open a listener in the pod");
  const int on = 1;
  if (family == AF_INET6) ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  proxy::send_at_once(fd.get());
  if (kind != bpf::ListenerKind::kOutbound) proxy::keep_alive(fd.get());
  SocketAddress loopback{IpAddress::v4(127, 0, 0, 1), 0};
  if (family == AF_INET6) loopback.ip = *IpAddress::parse("::1");
  sockaddr_storage raw{};
  const socklen_t size = loopback.to_sockaddr(raw);
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&raw), size) != 0) {
    return fail_errno(errno, "bind a listener to the pod's loopback");
  }
  if (::listen(fd.get(), kListenBacklog) != 0) return fail_errno(errno, "listen in the pod");
  return fd;
}

}  // namespace

Result<std::vector<Listener>> open_listeners(const Pod& pod, unsigned count) {
  std::vector<Listener> out;
  auto opened = bpf::in_netns(pod.netns.get(), [&]() -> Result<void> {
    for (const int family : {AF_INET, AF_INET6}) {
      for (const auto kind : kKinds) {
        for (unsigned slot = 0; slot < count; ++slot) {
          auto fd = listen_on_loopback(family, kind);
          // EADDRNOTAVAIL, EAFNOSUPPORT: IPv6 is off in this pod.
          const bool absent =
              !fd && family == AF_INET6 &&
              (fd.error().sys_errno == EADDRNOTAVAIL || fd.error().sys_errno == EAFNOSUPPORT);
          if (absent) break;
          if (!fd) return std::unexpected(fd.error());
          out.push_back({std::move(*fd), kind, family, slot});
        }
      }
    }
    return {};
  });
  if (!opened) return std::unexpected(opened.error());
  return out;
}

Result<void> offer_listeners(bpf::SocketMaps& maps, const Pod& pod,
                             const std::vector<Listener>& listeners) {
  unsigned count = 1;
  for (const auto& listener : listeners) {
    count = std::max(count, listener.slot + 1);
    // What comes from the network is measured; captured connections come over loopback.
    if (listener.kind != bpf::ListenerKind::kOutbound) maps.measure(listener.fd.get());
  }
  for (const auto& listener : listeners) {
    for (unsigned slot = listener.slot; slot < bpf::kListenerSlots; slot += count) {
      const auto set = maps.set_listener(pod.netns_cookie, listener.kind, listener.family, slot,
                                         listener.fd.get());
      if (set) continue;
      for (const auto& done : listeners) {
        for (unsigned s = done.slot; s < bpf::kListenerSlots; s += count) {
          (void)maps.clear_listener(pod.netns_cookie, done.kind, done.family, s);
        }
      }
      return set;
    }
  }
  return {};
}

}  // namespace culvert::ztunnel
