// What a waypoint may ask of the kernel once its filter is on; each in a process of its own.
#include "waypoint/sandbox/shell.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "../sandbox/in_child.hpp"

using namespace culvert;
using sandbox::testing::in_child;
using sandbox::testing::returned;

namespace {

bool refused(long result) {
  return result < 0 && errno == EPERM;
}

int files_can_only_be_read() {
  if (!waypoint::give_up_system_calls()) return 1;
  const int fd = ::open("/proc/self/status", O_RDONLY | O_CLOEXEC);
  char byte = 0;
  if (fd < 0 || ::read(fd, &byte, 1) != 1) return 2;
  if (!refused(::open("/tmp/culvert-shell-test", O_WRONLY | O_CREAT | O_CLOEXEC, 0600))) return 3;
  if (!refused(::open("/tmp", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600))) return 4;
  if (!refused(::open("/proc/self/status", O_RDONLY | O_CREAT | O_CLOEXEC, 0600))) return 5;
  if (!refused(::unlink("/tmp/culvert-shell-test"))) return 6;
  return refused(::mkdir("/tmp/culvert-shell-test", 0700)) ? 0 : 7;
}

int sockets_are_unix_and_ip() {
  if (!waypoint::give_up_system_calls()) return 1;
  for (const int family : {AF_UNIX, AF_INET, AF_INET6}) {
    if (::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0) < 0) return 2;
  }
  return refused(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0)) ? 0 : 3;
}

template <long Number>
int asks() {
  if (!waypoint::give_up_system_calls()) return 1;
  ::syscall(Number, 0, 0, 0, 0, 0, 0);
  return 2;
}

bool killed(int status) {
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
}

}  // namespace

TEST_CASE("a waypoint's files can only be read") {
  CHECK(returned(in_child(files_can_only_be_read), 0));
}

TEST_CASE("a waypoint's sockets are Unix and IP sockets") {
  CHECK(returned(in_child(sockets_are_unix_and_ip), 0));
}

TEST_CASE("what only an intruder would ask for ends a waypoint, setns and bpf among it") {
  CHECK(killed(in_child(asks<SYS_setns>)));
  CHECK(killed(in_child(asks<SYS_bpf>)));
  CHECK(killed(in_child(asks<SYS_execve>)));
  CHECK(killed(in_child(asks<SYS_ptrace>)));
  CHECK(killed(in_child(asks<SYS_mount>)));
  CHECK(killed(in_child(asks<SYS_unshare>)));
}
