// The system calls that ztunnel needs beside those of every process of the data plane
// (culvert/sandbox/data_plane_rules.hpp), by purpose. What is in neither table fails with EPERM and
// a line in the log.
#include <linux/bpf.h>
#include <sched.h>
#include <sys/syscall.h>

#include "ztunnel/sandbox/shell.hpp"

namespace culvert::ztunnel {

using sandbox::allow;
using sandbox::is;
using sandbox::Rule;

namespace {

constexpr Rule kRules[] = {
    // Pods: their network namespaces, and the agent's maps.
    allow(SYS_setns, is(1, CLONE_NEWNET)), allow(SYS_bpf, is(0, BPF_MAP_LOOKUP_ELEM)),
    allow(SYS_bpf, is(0, BPF_MAP_UPDATE_ELEM)), allow(SYS_bpf, is(0, BPF_MAP_DELETE_ELEM)),
    allow(SYS_bpf, is(0, BPF_MAP_GET_NEXT_KEY)),
    allow(SYS_bpf, is(0, BPF_MAP_LOOKUP_AND_DELETE_ELEM)), allow(SYS_bpf, is(0, BPF_OBJ_GET)),
    allow(SYS_bpf, is(0, BPF_OBJ_GET_INFO_BY_FD)),
    // Files: the last configuration is written, and what belongs to a handover.
    allow(SYS_openat), allow(SYS_open), allow(SYS_rename), allow(SYS_renameat),
    allow(SYS_renameat2), allow(SYS_unlink), allow(SYS_unlinkat), allow(SYS_mkdir),
    allow(SYS_mkdirat), allow(SYS_rmdir), allow(SYS_fsync), allow(SYS_fdatasync),
    allow(SYS_ftruncate), allow(SYS_chmod), allow(SYS_fchmod), allow(SYS_fchmodat),
    allow(SYS_flock), allow(SYS_umask), allow(SYS_pwrite64),
    allow(SYS_kill, is(1, 0)),  // whether a process is there
};

}  // namespace

std::span<const Rule> own_system_calls() {
  return kRules;
}

}  // namespace culvert::ztunnel
