#include "culvert/sandbox/privileges.hpp"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace culvert::sandbox {
namespace {

Result<void> set_capabilities(std::span<const int> kept) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> sets{};
  if (::syscall(SYS_capget, &header, sets.data()) != 0)
    return fail_errno(errno, "read capabilities");
  for (std::size_t word = 0; word < sets.size(); ++word) {
    std::uint32_t mask = 0;
    for (const int capability : kept) {
      if (static_cast<std::size_t>(capability) / 32 == word) mask |= 1U << (capability % 32);
    }
    sets[word].permitted &= mask;
    sets[word].effective = sets[word].permitted;
    sets[word].inheritable = 0;
  }
  if (::syscall(SYS_capset, &header, sets.data()) != 0)
    return fail_errno(errno, "drop capabilities");
  return {};
}

// Dropping from the bounding set needs CAP_SETPCAP; who lacks it has nothing to gain by exec
// either.
void bound_capabilities(std::span<const int> kept) {
  for (int capability = 0; ::prctl(PR_CAPBSET_READ, capability) >= 0; ++capability) {
    if (std::ranges::find(kept, capability) == kept.end()) {
      ::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
    }
  }
}

}  // namespace

Result<void> drop_privileges(std::span<const int> capabilities) {
  const rlimit none{0, 0};
  if (::setrlimit(RLIMIT_CORE, &none) != 0) return fail_errno(errno, "forbid core dumps");
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return fail_errno(errno, "forbid to be traced");
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return fail_errno(errno, "forbid new privileges");
  }
  if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0) {
    return fail_errno(errno, "clear ambient capabilities");
  }
  bound_capabilities(capabilities);
  return set_capabilities(capabilities);
}

}  // namespace culvert::sandbox
