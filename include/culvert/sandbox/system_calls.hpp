// A filter of system calls (seccomp(2), classic BPF) from a table of rules. x86-64 only: calls of
// other ABIs end the process. io_uring's operations are no system calls: see docs/hardening.md.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "culvert/base/error.hpp"

struct sock_filter;

namespace culvert::sandbox {

enum class Action : std::uint8_t {
  kAllow,
  kKill,    // the whole process: only who has taken it over would ask
  kAbsent,  // ENOSYS, so that libc takes an older call
};

/// Compares the low 32 bits of an argument: (argument & mask) == value.
struct Condition {
  std::uint8_t argument;  // 0 to 5
  std::uint32_t mask;
  std::uint32_t value;
};

struct Rule {
  long number;  // SYS_*
  Action action = Action::kAllow;
  std::optional<Condition> condition;  // the rule is for these calls only
};

/// For tables: a call, always or under a condition; the whole of an argument's low half.
constexpr Rule allow(long number) {
  return {number, Action::kAllow, {}};
}
constexpr Rule allow(long number, Condition condition) {
  return {number, Action::kAllow, condition};
}
constexpr Condition is(std::uint8_t argument, std::uint32_t value) {
  return {argument, 0xffffffff, value};
}

inline constexpr std::size_t kMaxRules = 400;  // the kernel takes 4096 instructions

/// The filter of these rules, the first that fits decides. A call that none fits fails with EPERM
/// after SIGSYS. Pure.
std::vector<sock_filter> make_filter(std::span<const Rule> rules);

/// Puts the filter on every thread of the process, for good. A call that no rule names fails with
/// EPERM from then on, and the first of each number writes a line with it to standard error.
Result<void> restrict_system_calls(std::span<const Rule> rules);

}  // namespace culvert::sandbox
