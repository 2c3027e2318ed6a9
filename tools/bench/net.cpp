#include "bench/net.hpp"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ctime>

namespace culvert::bench {
namespace {

constexpr int kBacklog = 4096;
constexpr std::size_t kEventsAtOnce = 256;
constexpr std::uint64_t kConnectPatience = 10 * kSecond;
constexpr rlim_t kDescriptors = 65'536;

}  // namespace

std::uint64_t now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * kSecond + static_cast<std::uint64_t>(now.tv_nsec);
}

void die(const std::string& what) {
  fmt::print(stderr, "culvert-bench: {}: {}\n", what, std::strerror(errno));
  std::exit(2);
}

void prepare_process() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_max = std::max(limit.rlim_max, kDescriptors);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  std::signal(SIGPIPE, SIG_IGN);
  ::prctl(PR_SET_TIMERSLACK, 1);
}

UniqueFd listen_on(std::uint16_t port) {
  UniqueFd fd(::socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int off = 0, on = 1;
  sockaddr_in6 address{.sin6_family = AF_INET6, .sin6_port = htons(port)};
  ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    die(fmt::format("bind port {}", port));
  if (::listen(fd.get(), kBacklog) != 0) die("listen");
  return fd;
}

static void no_delay(int fd) {
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

UniqueFd accept_one(int listener) {
  UniqueFd fd(::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (fd.valid()) no_delay(fd.get());
  return fd;
}

UniqueFd start_connect(const SocketAddress& to, int& error) {
  UniqueFd fd(::socket(to.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) die("socket");
  no_delay(fd.get());
  sockaddr_storage address;
  const socklen_t size = to.to_sockaddr(address);
  const int made = ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), size);
  error = made == 0 || errno == EINPROGRESS ? 0 : errno;
  return fd;
}

int connect_error(int fd) {
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
  return error;
}

std::vector<UniqueFd> connect_all(const SocketAddress& to, unsigned count, Failures& failures) {
  std::vector<UniqueFd> out;
  for (unsigned i = 0; i < count; ++i) {
    int error = 0;
    UniqueFd fd = start_connect(to, error);
    Poller poller;
    poller.add(fd.get(), EPOLLOUT);
    if (error == 0 && poller.wait(now_ns() + kConnectPatience).empty()) error = ETIMEDOUT;
    if (error == 0) error = connect_error(fd.get());
    if (error != 0) {
      failures.add("connect", error);
      continue;
    }
    out.push_back(std::move(fd));
  }
  return out;
}

Poller::Poller() : epoll_(::epoll_create1(EPOLL_CLOEXEC)), events_(kEventsAtOnce) {
  if (!epoll_.valid()) die("epoll_create1");
}

void Poller::change(int op, int fd, std::uint32_t events) {
  epoll_event event{.events = events, .data = {.fd = fd}};
  if (::epoll_ctl(epoll_.get(), op, fd, &event) != 0) die("epoll_ctl");
}

std::span<const epoll_event> Poller::wait(std::uint64_t deadline_ns) {
  timespec left{};
  if (deadline_ns != kNoDeadline) {
    const std::uint64_t now = now_ns();
    const std::uint64_t ns = deadline_ns > now ? deadline_ns - now : 0;
    left = {static_cast<time_t>(ns / kSecond), static_cast<long>(ns % kSecond)};
  }
  const int count = ::epoll_pwait2(epoll_.get(), events_.data(), static_cast<int>(events_.size()),
                                   deadline_ns == kNoDeadline ? nullptr : &left, nullptr);
  if (count < 0 && errno != EINTR) die("epoll_pwait2");
  return {events_.data(), static_cast<std::size_t>(std::max(count, 0))};
}

void Failures::add(const std::string& phase, int sys_errno) {
  ++count_;
  const char* name = sys_errno == 0 ? "ended" : ::strerrorname_np(sys_errno);
  ++counts_[fmt::format("{} {}", phase, name == nullptr ? "?" : name)];
}

void Failures::wrong(const std::string& phase) {
  ++count_;
  ++wrong_;
  ++counts_[phase + " wrong bytes"];
}

std::string Failures::to_json() const {
  std::string out;
  for (const auto& [text, count] : counts_)
    out += fmt::format("{}\"{}\":{}", out.empty() ? "" : ",", text, count);
  return "{" + out + "}";
}

}  // namespace culvert::bench
