// One thread a connection; the process lives in the pod's network namespace.
#include "fake_ztunnel.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <mutex>
#include <thread>

#include "culvert/base/fd.hpp"
#include "culvert/bpf/socket_maps.hpp"

namespace culvert::test {
namespace {

using bpf::ListenerKind;
using bpf::SocketMaps;

struct Ztunnel {
  SocketMaps maps;
  bool relay;
};

void say(const std::string& json) {
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  fmt::print("{}\n", json);
  std::fflush(stdout);
}

std::string local_of(int fd, bool peer, std::optional<SocketAddress>& out) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  auto* address = reinterpret_cast<sockaddr*>(&storage);
  if ((peer ? getpeername(fd, address, &size) : getsockname(fd, address, &size)) != 0) return "";
  out = SocketAddress::from_sockaddr(address);
  return out ? out->to_string() : "";
}

// Closes with RST, as ztunnel refuses.
void reset(UniqueFd fd) {
  const linger now{.l_onoff = 1, .l_linger = 0};
  setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

bool write_all(int fd, const char* data, ssize_t size) {
  while (size > 0) {
    const ssize_t n = send(fd, data, static_cast<std::size_t>(size), MSG_NOSIGNAL);
    if (n <= 0) return false;
    data += n;
    size -= n;
  }
  return true;
}

// Copies both ways until both have ended.
void splice_both(int a, int b) {
  pollfd fds[2] = {{.fd = a, .events = POLLIN}, {.fd = b, .events = POLLIN}};
  char buffer[16384];
  while (fds[0].fd >= 0 || fds[1].fd >= 0) {
    if (poll(fds, 2, -1) < 0) return;
    for (int i = 0; i < 2; i++) {
      if (fds[i].fd < 0 || fds[i].revents == 0) continue;
      const int to = i == 0 ? b : a;
      const ssize_t n = read(fds[i].fd, buffer, sizeof buffer);
      if (n > 0 && write_all(to, buffer, n)) continue;
      shutdown(to, SHUT_WR);
      fds[i].fd = -1;
    }
  }
}

UniqueFd dial(const Ztunnel& z, const SocketAddress& to,
              const std::optional<SocketAddress>& client) {
  UniqueFd fd(socket(to.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!z.maps.mark(fd.get(), client)) return {};
  sockaddr_storage storage{};
  const socklen_t size = to.to_sockaddr(storage);
  if (connect(fd.get(), reinterpret_cast<sockaddr*>(&storage), size) != 0) return {};
  return fd;
}

void serve_outbound(const Ztunnel& z, UniqueFd fd) {
  auto origin = z.maps.original_destination(fd.get());
  std::optional<SocketAddress> peer;
  const std::string from = local_of(fd.get(), true, peer);
  if (!origin || !*origin) {
    say(fmt::format(R"({{"kind":"outbound","origin":null,"peer":"{}"}})", from));
    return reset(std::move(fd));
  }
  const std::string to = (*origin)->to_string();
  say(fmt::format(R"({{"kind":"outbound","origin":"{}","peer":"{}"}})", to, from));
  if (z.relay) {
    const UniqueFd upstream = dial(z, **origin, std::nullopt);
    if (!upstream.valid()) return reset(std::move(fd));
    return splice_both(fd.get(), upstream.get());
  }
  const std::string line = "origin " + to + "\n";
  if (!write_all(fd.get(), line.data(), static_cast<ssize_t>(line.size()))) return;
  char buffer[4096];
  for (ssize_t n; (n = read(fd.get(), buffer, sizeof buffer)) > 0;)
    if (!write_all(fd.get(), buffer, n)) return;
}

void serve_inbound(const Ztunnel& z, ListenerKind kind, UniqueFd fd) {
  std::optional<SocketAddress> peer, local;
  const std::string from = local_of(fd.get(), true, peer);
  const std::string to = local_of(fd.get(), false, local);
  say(fmt::format(R"({{"kind":"{}","local":"{}","peer":"{}"}})",
                  kind == ListenerKind::kHbone ? "hbone" : "plaintext", to, from));
  if (kind == ListenerKind::kHbone || !local || !peer) return;
  const UniqueFd application = dial(z, *local, peer);
  if (!application.valid()) return reset(std::move(fd));
  splice_both(fd.get(), application.get());
}

UniqueFd listen_on(int family) {
  UniqueFd fd(socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_storage storage{};
  const SocketAddress loopback{.ip = family == AF_INET ? IpAddress::v4(127, 0, 0, 1)
                                                       : *IpAddress::parse("::1")};
  const socklen_t size = loopback.to_sockaddr(storage);
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&storage), size) != 0) return {};
  if (listen(fd.get(), 1024) != 0) return {};
  return fd;
}

void accept_loop(const Ztunnel& z, ListenerKind kind, UniqueFd listener) {
  while (true) {
    UniqueFd fd(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!fd.valid()) return;
    std::thread([&z, kind, raw = fd.release()] {
      if (kind == ListenerKind::kOutbound) return serve_outbound(z, UniqueFd(raw));
      serve_inbound(z, kind, UniqueFd(raw));
    }).detach();
  }
}

}  // namespace

int run_fake_ztunnel(const std::string& pin_dir, const std::string& netns, bool relay) {
  const UniqueFd ns(open(netns.c_str(), O_RDONLY | O_CLOEXEC));
  auto cookie = bpf::netns_cookie(ns.get());
  auto maps = SocketMaps::open(pin_dir);
  if (!cookie || !maps || setns(ns.get(), CLONE_NEWNET) != 0) return 1;
  Ztunnel z{.maps = std::move(*maps), .relay = relay};
  for (const ListenerKind kind :
       {ListenerKind::kOutbound, ListenerKind::kHbone, ListenerKind::kPlaintext})
    for (const int family : {AF_INET, AF_INET6}) {
      UniqueFd listener = listen_on(family);
      for (unsigned slot = 0; slot < bpf::kListenerSlots; slot++)
        if (!z.maps.set_listener(*cookie, kind, family, slot, listener.get())) return 1;
      std::thread([&z, kind, raw = listener.release()] {
        accept_loop(z, kind, UniqueFd(raw));
      }).detach();
    }
  say(R"({"ready":true})");
  pause();
  return 0;
}

}  // namespace culvert::test
