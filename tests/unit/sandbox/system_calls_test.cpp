#include "culvert/sandbox/system_calls.hpp"

#include <doctest/doctest.h>
#include <linux/filter.h>
#include <sys/syscall.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <string>
#include <thread>

#include "in_child.hpp"

using namespace culvert::sandbox;
using testing::in_child;
using testing::returned;

namespace {

constexpr std::array kBase = std::to_array<Rule>({
    {SYS_write, Action::kAllow, {}},
    {SYS_exit_group, Action::kAllow, {}},
    {SYS_rt_sigreturn, Action::kAllow, {}},
    {SYS_getppid, Action::kAbsent, {}},
    {SYS_kill, Action::kKill, {}},
    {SYS_lseek, Action::kAllow, Condition{2, 0xff, 2}},
#if __has_feature(address_sanitizer)
    // What AddressSanitizer calls before _exit(2), to forget the stack.
    {SYS_sigaltstack, Action::kAllow, {}},
    {SYS_gettid, Action::kAllow, {}},
#endif
});

bool fails_with(long result, int error) {
  return result == -1 && errno == error;
}

// What a child under kBase writes to standard error while it runs `body`.
template <class F>
std::string said_by(F body) {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  in_child([&] {
    ::dup2(ends[1], STDERR_FILENO);
    return restrict_system_calls(kBase) ? body() : 99;
  });
  ::close(ends[1]);
  std::string out(4096, '\0');
  const auto size = ::read(ends[0], out.data(), out.size());
  ::close(ends[0]);
  return out.substr(0, size > 0 ? static_cast<std::size_t>(size) : 0);
}

}  // namespace

TEST_CASE("a call that no rule names fails with EPERM and is told once, by its number") {
  CHECK(returned(in_child([] {
                   if (!restrict_system_calls(kBase)) return 1;
                   if (!fails_with(::syscall(SYS_getuid), EPERM)) return 2;
                   return fails_with(::syscall(SYS_getuid), EPERM) ? 0 : 3;
                 }),
                 0));
  CHECK(said_by([] {
          for (int i = 0; i < 3; ++i) ::syscall(SYS_getuid);
          return 0;
        }) == "sandbox: refused system call 102\n");
}

TEST_CASE("a call that only an intruder makes ends the process") {
  const int status = in_child([] {
    if (!restrict_system_calls(kBase)) return 1;
    ::syscall(SYS_kill, 0, 0);
    return 2;
  });
  CHECK((WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS));
}

TEST_CASE("an absent call is as if the kernel were older") {
  CHECK(returned(in_child([] {
                   if (!restrict_system_calls(kBase)) return 1;
                   return fails_with(::syscall(SYS_getppid), ENOSYS) ? 0 : 2;
                 }),
                 0));
}

TEST_CASE("a condition looks at the masked argument") {
  CHECK(returned(in_child([] {
                   if (!restrict_system_calls(kBase)) return 1;
                   if (!fails_with(::syscall(SYS_lseek, -1, 0, 0x102), EBADF)) return 2;
                   return fails_with(::syscall(SYS_lseek, -1, 0, 1), EPERM) ? 0 : 3;
                 }),
                 0));
}

TEST_CASE("threads that were there before are under the filter too") {
  CHECK(returned(in_child([] {
                   static std::atomic<int> step{0};
                   static std::atomic<bool> refused{false};
                   static std::atomic<bool> runs{false};
                   std::thread other([] {
                     runs = true;  // what starting a thread calls is behind it
                     while (step == 0) {
                     }
                     refused = fails_with(::syscall(SYS_getuid), EPERM);
                     step = 2;
                     while (true) {
                     }
                   });
                   other.detach();
                   while (!runs) {
                   }
                   if (!restrict_system_calls(kBase)) return 1;
                   step = 1;
                   while (step != 2) {
                   }
                   return refused ? 0 : 2;
                 }),
                 0));
}

TEST_CASE("the filter stays within the kernel's bounds") {
  const std::vector<Rule> rules(kMaxRules, Rule{SYS_read, Action::kAllow, Condition{0, 1, 1}});
  CHECK(make_filter(rules).size() <= 4096);
}
