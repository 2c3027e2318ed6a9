#include "ztunnel/sandbox/shell.hpp"

#include <linux/capability.h>

#include <array>

#include "culvert/sandbox/data_plane_rules.hpp"
#include "culvert/sandbox/privileges.hpp"

namespace culvert::ztunnel {

Result<void> give_up_privileges() {
  constexpr std::array kKept{CAP_SYS_ADMIN};
  return sandbox::drop_privileges(kKept);
}

Result<void> give_up_system_calls() {
  return sandbox::restrict_system_calls(sandbox::data_plane_rules(own_system_calls()));
}

}  // namespace culvert::ztunnel
