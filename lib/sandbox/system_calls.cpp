#include "culvert/sandbox/system_calls.hpp"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cassert>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <string_view>

namespace culvert::sandbox {
namespace {

constexpr std::uint32_t kX32Bit = 0x40000000;  // __X32_SYSCALL_BIT
constexpr std::size_t kToldNumbers = 1024;

sock_filter load(std::size_t offset) {
  return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset));
}
sock_filter give(std::uint32_t verdict) {
  return BPF_STMT(BPF_RET | BPF_K, verdict);
}
// Goes on with the next instruction when it holds, else skips `count`.
sock_filter unless(std::uint16_t comparison, std::uint32_t value, std::uint8_t count) {
  return BPF_JUMP(static_cast<std::uint16_t>(BPF_JMP | comparison | BPF_K), value, 0, count);
}

std::uint32_t verdict_of(Action action) {
  switch (action) {
    case Action::kAllow:
      return SECCOMP_RET_ALLOW;
    case Action::kKill:
      return SECCOMP_RET_KILL_PROCESS;
    case Action::kAbsent:
      return SECCOMP_RET_ERRNO | ENOSYS;
  }
  return SECCOMP_RET_KILL_PROCESS;
}

void append(std::vector<sock_filter>& filter, const Rule& rule) {
  const auto number = static_cast<std::uint32_t>(rule.number);
  if (!rule.condition) {
    filter.push_back(unless(BPF_JEQ, number, 1));
    filter.push_back(give(verdict_of(rule.action)));
    return;
  }
  const Condition& condition = *rule.condition;
  assert(condition.argument < 6 && "system calls have six arguments");
  filter.push_back(unless(BPF_JEQ, number, 5));
  filter.push_back(load(offsetof(seccomp_data, args) + condition.argument * sizeof(std::uint64_t)));
  filter.push_back(BPF_STMT(BPF_ALU | BPF_AND | BPF_K, condition.mask));
  filter.push_back(unless(BPF_JEQ, condition.value, 1));
  filter.push_back(give(verdict_of(rule.action)));
  filter.push_back(load(offsetof(seccomp_data, nr)));
}

// SIGSYS of a call that no rule names: it fails with EPERM. Async-signal-safe.
void refuse(int, siginfo_t* info, void* raw) {
  static std::array<std::atomic<bool>, kToldNumbers> told{};
  const int saved = errno;
  const auto number = static_cast<std::size_t>(info->si_syscall);
  if (number < told.size() && !told[number].exchange(true)) {
    constexpr std::string_view kText = "sandbox: refused system call ";
    std::array<char, 64> line{};
    std::memcpy(line.data(), kText.data(), kText.size());
    char* end =
        std::to_chars(line.data() + kText.size(), line.data() + line.size() - 1, number).ptr;
    *end++ = '\n';
    [[maybe_unused]] const auto n =
        ::write(STDERR_FILENO, line.data(), static_cast<std::size_t>(end - line.data()));
  }
  static_cast<ucontext_t*>(raw)->uc_mcontext.gregs[REG_RAX] = -EPERM;
  errno = saved;
}

}  // namespace

std::vector<sock_filter> make_filter(std::span<const Rule> rules) {
  assert(rules.size() <= kMaxRules && "a filter within the kernel's bounds");
  std::vector<sock_filter> filter{
      load(offsetof(seccomp_data, arch)), unless(BPF_JEQ, AUDIT_ARCH_X86_64, 2),
      load(offsetof(seccomp_data, nr)),   BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, kX32Bit, 0, 1),
      give(SECCOMP_RET_KILL_PROCESS),
  };
  for (const Rule& rule : rules) append(filter, rule);
  filter.push_back(give(SECCOMP_RET_TRAP));
  return filter;
}

Result<void> restrict_system_calls(std::span<const Rule> rules) {
  struct sigaction action{};
  action.sa_sigaction = refuse;
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  if (::sigaction(SIGSYS, &action, nullptr) != 0) return fail_errno(errno, "handle SIGSYS");
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return fail_errno(errno, "forbid new privileges");
  }
  auto filter = make_filter(rules);
  const sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
  const long failed =
      ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program);
  if (failed < 0) return fail_errno(errno, "filter system calls");
  if (failed > 0) return fail_errno(ESRCH, "filter the system calls of every thread");
  return {};
}

}  // namespace culvert::sandbox
