#include "system_calls.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/rand.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <random>

#include "network.hpp"

namespace culvert::sim {
namespace {

std::atomic<const Scheduler*> t_clock{nullptr};
thread_local int t_netns = -1;  // which simulated namespace this thread is in

Rng& chance() {
  static Rng rng(0);
  return rng;
}

int random_bytes(unsigned char* out, int size) {
  for (int i = 0; i < size; ++i) out[i] = static_cast<unsigned char>(chance().next());
  return 1;
}

std::chrono::nanoseconds time_of(clockid_t clock) {
  const Scheduler* scheduler = t_clock.load(std::memory_order_relaxed);
  const Time now = scheduler == nullptr ? Time{} : scheduler->now();
  const bool wall = clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE;
  return now + (wall ? std::chrono::nanoseconds(kWallStart) : kMonotonicStart);
}

bool ours(int fd) {
  return Network::is_simulated(fd) && g_network != nullptr;
}

int failed(int error) {
  errno = error;
  return -1;
}

int socket_error(Socket& socket, void* value, socklen_t* size) {
  const int error = std::exchange(socket.error, 0);
  std::memcpy(value, &error, sizeof error);
  *size = sizeof error;
  return 0;
}

int tcp_state(const Socket& socket, void* value, socklen_t* size) {
  tcp_info info{};
  info.tcpi_state = socket.reset          ? TCP_CLOSE
                    : socket.fin_received ? TCP_CLOSE_WAIT
                    : socket.fin_sent     ? TCP_FIN_WAIT1
                                          : TCP_ESTABLISHED;
  *size = std::min<socklen_t>(*size, sizeof info);
  std::memcpy(value, &info, *size);
  return 0;
}

}  // namespace

Time simulated_time(io::Deadline at) {
  return at.time_since_epoch() - kMonotonicStart;
}

void follow(const Scheduler* scheduler) {
  t_clock.store(scheduler, std::memory_order_relaxed);
}

void seed_chance(std::uint64_t seed) {
  static const RAND_METHOD method = [] {
    RAND_METHOD out{};
    out.bytes = random_bytes;
    out.pseudorand = random_bytes;
    out.status = [] { return 1; };
    return out;
  }();
  RAND_set_rand_method(&method);
  chance() = Rng(seed);
}

}  // namespace culvert::sim

using namespace culvert::sim;

extern "C" {

int clock_gettime(clockid_t clock, timespec* out) {
  const auto since = time_of(clock).count();
  *out = {since / 1'000'000'000, since % 1'000'000'000};
  return 0;
}

time_t time(time_t* out) {
  const time_t now = time_of(CLOCK_REALTIME).count() / 1'000'000'000;
  if (out != nullptr) *out = now;
  return now;
}

int gettimeofday(timeval* out, void*) {
  const auto since = time_of(CLOCK_REALTIME).count() / 1000;
  *out = {since / 1'000'000, since % 1'000'000};
  return 0;
}

int close(int fd) {
  if (!ours(fd)) return static_cast<int>(::syscall(SYS_close, fd));
  g_network->close(fd);
  return 0;
}

ssize_t write(int fd, const void* data, size_t size) {
  if (!ours(fd)) return ::syscall(SYS_write, fd, data, size);
  const SocketPtr socket = g_network->find(fd);
  if (socket->kind != Socket::Kind::kWake) return failed(EINVAL);
  ++socket->wakes;
  g_network->changed(*socket);
  return static_cast<ssize_t>(size);
}

int socket(int family, int type, int protocol) {
  if (t_netns < 0) return static_cast<int>(::syscall(SYS_socket, family, type, protocol));
  const SocketPtr made = g_network->make(Socket::Kind::kFresh, t_netns);
  made->ztunnel = true;
  return made->fd;
}

int setns(int fd, int) {
  t_netns = ours(fd) ? g_network->find(fd)->netns : -1;
  return 0;
}

int shutdown(int fd, int how) {
  if (!ours(fd)) return static_cast<int>(::syscall(SYS_shutdown, fd, how));
  if (how != SHUT_WR) violation("shutdown of the reading side");
  const SocketPtr socket = g_network->find(fd);
  if (!socket->connected || socket->reset) return failed(ENOTCONN);
  g_network->shut_down_sending(*socket);
  return 0;
}

int setsockopt(int fd, int level, int option, const void* value, socklen_t size) {
  if (!ours(fd)) {
    return static_cast<int>(::syscall(SYS_setsockopt, fd, level, option, value, size));
  }
  const SocketPtr socket = g_network->find(fd);
  if (level == SOL_SOCKET && option == SO_LINGER) {
    const auto* wanted = static_cast<const linger*>(value);
    socket->reset_on_close = wanted->l_onoff != 0 && wanted->l_linger == 0;
  }
  return 0;
}

int getsockopt(int fd, int level, int option, void* value, socklen_t* size) {
  if (!ours(fd)) {
    return static_cast<int>(::syscall(SYS_getsockopt, fd, level, option, value, size));
  }
  const SocketPtr socket = g_network->find(fd);
  if (level == SOL_SOCKET && option == SO_ERROR) return socket_error(*socket, value, size);
  if (level == IPPROTO_TCP && option == TCP_INFO) return tcp_state(*socket, value, size);
  return failed(ENOPROTOOPT);
}

int getsockname(int fd, sockaddr* address, socklen_t* size) {
  if (!ours(fd)) return static_cast<int>(::syscall(SYS_getsockname, fd, address, size));
  sockaddr_storage raw{};
  const socklen_t used = g_network->find(fd)->local.to_sockaddr(raw);
  std::memcpy(address, &raw, std::min(*size, used));
  *size = used;
  return 0;
}

}  // extern "C"

// libstdc++'s; read by ids that travel in compressed headers, whose length depends on them.
namespace std {
random_device::result_type random_device::_M_getval() {
  return static_cast<result_type>(chance().next());
}
}  // namespace std
