#include "waypoint/sandbox/shell.hpp"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/syscall.h>

#include <array>

#include "culvert/sandbox/data_plane_rules.hpp"
#include "culvert/sandbox/privileges.hpp"

namespace culvert::waypoint {
namespace {

// Nothing is written, made or emptied: it keeps no state.
constexpr std::uint32_t kWriting = O_ACCMODE | O_CREAT | O_TRUNC;

constexpr sandbox::Rule kRules[] = {
    sandbox::allow(SYS_openat, {2, kWriting, O_RDONLY}),
    sandbox::allow(SYS_open, {1, kWriting, O_RDONLY}),
};

}  // namespace

Result<void> give_up_privileges() {
  constexpr std::array kKept{CAP_NET_BIND_SERVICE};
  return sandbox::drop_privileges(kKept);
}

Result<void> give_up_system_calls() {
  return sandbox::restrict_system_calls(sandbox::data_plane_rules(own_system_calls()));
}

std::span<const sandbox::Rule> own_system_calls() {
  return kRules;
}

}  // namespace culvert::waypoint
