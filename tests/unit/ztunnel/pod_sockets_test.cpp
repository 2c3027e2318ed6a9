#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <thread>

#include "culvert/bpf/netns.hpp"
#include "ztunnel/pods/listeners.hpp"
#include "ztunnel/worker/pod_socket.hpp"

using namespace culvert;
using namespace culvert::ztunnel;

namespace {

UniqueFd netns_of_this_thread() {
  return UniqueFd(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
}

ino_t number_of_this_threads_netns() {
  struct stat about{};
  REQUIRE(::stat("/proc/thread-self/ns/net", &about) == 0);
  return about.st_ino;
}

// A pod with a namespace of its own: loopback, down.
Pod lone_pod() {
  Pod pod;
  std::thread([&pod] {
    if (::unshare(CLONE_NEWNET) == 0) pod.netns = netns_of_this_thread();
  }).join();
  REQUIRE(pod.netns.valid());
  pod.netns_cookie = *bpf::netns_cookie(pod.netns.get());
  return pod;
}

Pod pod_of_here() {
  Pod pod;
  pod.netns = netns_of_this_thread();
  pod.netns_cookie = *bpf::netns_cookie(pod.netns.get());
  return pod;
}

int option(int fd, int level, int name) {
  int value = -1;
  socklen_t size = sizeof value;
  REQUIRE(::getsockopt(fd, level, name, &value, &size) == 0);
  return value;
}

// What `listener` accepts, with the socket that dialed it.
std::pair<UniqueFd, UniqueFd> accept_one(const Listener& listener) {
  sockaddr_storage raw{};
  socklen_t size = sizeof raw;
  ::getsockname(listener.fd.get(), reinterpret_cast<sockaddr*>(&raw), &size);
  UniqueFd client(::socket(listener.family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  REQUIRE(::connect(client.get(), reinterpret_cast<sockaddr*>(&raw), size) == 0);
  UniqueFd accepted(::accept(listener.fd.get(), nullptr, nullptr));
  REQUIRE(accepted.valid());
  return {std::move(client), std::move(accepted)};
}

}  // namespace

TEST_CASE("sockets are of the pod they were made for, whichever came before") {
  const Pod one = lone_pod(), other = lone_pod();
  for (const Pod* pod : {&one, &one, &other, &one, &other}) {
    const auto fd = open_socket_in(*pod, AF_INET);
    REQUIRE(fd.has_value());
    CHECK(bpf::netns_cookie(fd->get()) == pod->netns_cookie);
  }
  leave_netns(other);
}

TEST_CASE("a thread leaves the namespace of a pod that ends, and no other") {
  const Pod one = lone_pod(), other = lone_pod();
  const ino_t home = number_of_this_threads_netns();
  REQUIRE(open_socket_in(one, AF_INET6).has_value());
  const ino_t inside = number_of_this_threads_netns();
  CHECK(inside != home);
  leave_netns(other);
  CHECK(number_of_this_threads_netns() == inside);
  leave_netns(one);
  CHECK(number_of_this_threads_netns() == home);
  leave_netns(one);
  CHECK(number_of_this_threads_netns() == home);
}

TEST_CASE("accepted sockets send at once; those from the network are kept alive") {
  const auto listeners = open_listeners(pod_of_here(), 1);
  REQUIRE(listeners.has_value());
  REQUIRE(listeners->size() >= 3);
  for (const Listener& listener : *listeners) {
    const auto [client, accepted] = accept_one(listener);
    CHECK(option(accepted.get(), IPPROTO_TCP, TCP_NODELAY) != 0);
    const bool network = listener.kind != bpf::ListenerKind::kOutbound;
    CHECK(option(accepted.get(), SOL_SOCKET, SO_KEEPALIVE) == (network ? 1 : 0));
    if (!network) continue;
    CHECK(option(accepted.get(), IPPROTO_TCP, TCP_KEEPIDLE) == 180);
    CHECK(option(accepted.get(), IPPROTO_TCP, TCP_KEEPINTVL) == 180);
    CHECK(option(accepted.get(), IPPROTO_TCP, TCP_KEEPCNT) == 9);
  }
}
