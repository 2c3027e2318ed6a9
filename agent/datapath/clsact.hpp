// The guard on kernels before 6.6: a clsact qdisc with one BPF filter on the way out (tc-bpf(8)),
// by rtnetlink(7). Works in the calling thread's network namespace.
#pragma once

#include "problem.hpp"

namespace culvert::agent {

inline constexpr unsigned kGuardPriority = 49'152;  // of the filter: tc's own first choice
inline constexpr unsigned kGuardHandle = 0xC0;      // tells our filter from others

/// Adds the filter, or puts the program in the place of the former one. `made_qdisc` is set when
/// there was no clsact qdisc before.
Outcome<void> attach_clsact(int program_fd, unsigned ifindex, bool& made_qdisc);
/// Takes our filter from every interface of the namespace, and the qdisc when it was ours.
Outcome<void> remove_clsact(bool made_qdisc);

}  // namespace culvert::agent
