// The guard on kernels before 6.6: a clsact qdisc with one BPF filter on the way out (tc-bpf(8)),
// by rtnetlink(7). Works in the calling thread's network namespace.
#pragma once

#include "problem.hpp"

namespace culvert::agent {

inline constexpr unsigned kGuardPriority = 49'152;  // of the filter: tc's own first choice
inline constexpr unsigned kGuardHandle = 0xC0;      // tells our filter from others

struct ClsactChange {
  bool made_qdisc = false;  // there was no clsact qdisc before
  bool put_on = false;      // there was no filter of ours before
};

/// Adds the filter, or puts the program in the place of the former one. Sets in `change` what it
/// changed, and leaves the rest.
Outcome<void> attach_clsact(int program_fd, unsigned ifindex, ClsactChange& change);
/// Takes our filter from every interface of the namespace, and the qdisc when it was ours.
Outcome<void> remove_clsact(bool made_qdisc);

}  // namespace culvert::agent
