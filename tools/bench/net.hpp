// Sockets and epoll as the bench needs them: non-blocking, one thread, a failure to set up is
// fatal.
#pragma once

#include <sys/epoll.h>

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "culvert/base/fd.hpp"
#include "culvert/base/ip.hpp"

namespace culvert::bench {

inline constexpr std::uint64_t kSecond = 1'000'000'000;
inline constexpr std::uint64_t kNoDeadline = UINT64_MAX;

std::uint64_t now_ns();  // CLOCK_MONOTONIC, which all processes of the machine share

/// Prints `what` and errno, and ends the program with status 2.
[[noreturn]] void die(const std::string& what);

/// Many descriptors, no SIGPIPE, and sleeps that end when they should.
void prepare_process();

/// Dual stack, on every address.
UniqueFd listen_on(std::uint16_t port);
/// The next waiting connection; not valid when there is none.
UniqueFd accept_one(int listener);
/// A connect under way. `error` is 0, or an errno when it failed at once.
UniqueFd start_connect(const SocketAddress& to, int& error);
/// What became of it once the socket is writable: 0 or an errno.
int connect_error(int fd);

class Poller {
 public:
  Poller();
  void add(int fd, std::uint32_t events) { change(EPOLL_CTL_ADD, fd, events); }
  void modify(int fd, std::uint32_t events) { change(EPOLL_CTL_MOD, fd, events); }
  void remove(int fd) { change(EPOLL_CTL_DEL, fd, 0); }  // events of 0 would still tell of ends
  /// Waits until `deadline_ns` of now_ns(). Valid until the next call.
  std::span<const epoll_event> wait(std::uint64_t deadline_ns);

 private:
  void change(int op, int fd, std::uint32_t events);
  UniqueFd epoll_;
  std::vector<epoll_event> events_;
};

/// What went wrong how often: "connect ECONNREFUSED", "answer wrong bytes".
class Failures {
 public:
  void add(const std::string& phase, int sys_errno);  // 0: the peer ended it
  void wrong(const std::string& phase);               // bytes that were not sent so
  std::uint64_t count() const { return count_; }
  std::uint64_t wrong_count() const { return wrong_; }
  /// {"connect ECONNREFUSED":3}
  std::string to_json() const;
  /// 0; 3 when bytes were wrong; 1 for other failures.
  int exit_status() const { return wrong_ > 0 ? 3 : count_ > 0 ? 1 : 0; }

 private:
  std::map<std::string, std::uint64_t> counts_;
  std::uint64_t count_ = 0;
  std::uint64_t wrong_ = 0;
};

/// So many connections, one after the other; those that could not be made are missing, and counted.
std::vector<UniqueFd> connect_all(const SocketAddress& to, unsigned count, Failures& failures);

}  // namespace culvert::bench
