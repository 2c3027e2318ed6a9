// What a daemon gives up before it makes threads or listens: core dumps, being traced, privileges
// by exec, and every capability that it does not name. Threads that are made later inherit all of
// it.
#pragma once

#include <span>

#include "culvert/base/error.hpp"

namespace culvert::sandbox {

/// Sanitizers look at their own process with ptrace(2), which a shell forbids: off in their builds.
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
inline constexpr bool kByDefault = false;
#else
inline constexpr bool kByDefault = true;
#endif

/// Keeps only `capabilities` (CAP_* of linux/capability.h) that the process has: permitted and
/// effective sets; inheritable and ambient become empty, and the bounding set loses the others. No
/// new privileges (prctl(2)), no core dumps (RLIMIT_CORE, PR_SET_DUMPABLE). On the only thread of
/// the process, once. Errors have the errno; what was given up stays so.
Result<void> drop_privileges(std::span<const int> capabilities);

}  // namespace culvert::sandbox
