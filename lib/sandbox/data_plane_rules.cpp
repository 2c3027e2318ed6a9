// The system calls that every process of the data plane needs once it runs, by purpose, and those
// that only an intruder would call.
#include "culvert/sandbox/data_plane_rules.hpp"

#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

namespace culvert::sandbox {
namespace {

constexpr Rule kill(long number) {
  return {number, Action::kKill, {}};
}

// The most frequent first: the kernel keeps those without a condition in a bitmap (5.11).
constexpr Rule kAllowed[] = {
    // The loops: rings that are there already, timers, messages between threads.
    allow(SYS_io_uring_enter),
    allow(SYS_io_uring_register),
    allow(SYS_futex),
    allow(SYS_clock_gettime),
    allow(SYS_clock_nanosleep),
    allow(SYS_nanosleep),
    allow(SYS_eventfd2),
    allow(SYS_poll),
    allow(SYS_ppoll),
    allow(SYS_restart_syscall),
    allow(SYS_sched_yield),
    allow(SYS_getrandom),
    allow(SYS_gettimeofday),
    // Descriptors.
    allow(SYS_read),
    allow(SYS_write),
    allow(SYS_readv),
    allow(SYS_writev),
    allow(SYS_pread64),
    allow(SYS_close),
    allow(SYS_fcntl),
    allow(SYS_lseek),
    allow(SYS_ioctl),
    allow(SYS_dup),
    allow(SYS_dup3),
    // Sockets: connections, listeners, the agent, control, administration.
    allow(SYS_socket, is(0, AF_UNIX)),
    allow(SYS_socket, is(0, AF_INET)),
    allow(SYS_socket, is(0, AF_INET6)),
    allow(SYS_socketpair),
    allow(SYS_bind),
    allow(SYS_listen),
    allow(SYS_accept4),
    allow(SYS_accept),
    allow(SYS_connect),
    allow(SYS_shutdown),
    allow(SYS_getsockname),
    allow(SYS_getpeername),
    allow(SYS_getsockopt),
    allow(SYS_setsockopt),
    allow(SYS_sendto),
    allow(SYS_recvfrom),
    allow(SYS_sendmsg),
    allow(SYS_recvmsg),
    // Memory; nothing becomes executable any more.
    allow(SYS_mmap, {2, PROT_EXEC, 0}),
    allow(SYS_mprotect, {2, PROT_EXEC, 0}),
    allow(SYS_munmap),
    allow(SYS_mremap),
    allow(SYS_madvise),
    allow(SYS_brk),
    // Files: roots, revocation lists, /proc, sockets' names. Which may be opened is each table's
    // own.
    allow(SYS_newfstatat),
    allow(SYS_fstat),
    allow(SYS_stat),
    allow(SYS_lstat),
    allow(SYS_statx),
    allow(SYS_access),
    allow(SYS_faccessat),
    allow(SYS_faccessat2),
    allow(SYS_readlink),
    allow(SYS_readlinkat),
    allow(SYS_getdents64),
    allow(SYS_getcwd),
    allow(SYS_inotify_init1),
    allow(SYS_inotify_add_watch),
    allow(SYS_inotify_rm_watch),
    // Signals, the CPU profile's timers.
    allow(SYS_rt_sigaction),
    allow(SYS_rt_sigprocmask),
    allow(SYS_rt_sigreturn),
    allow(SYS_sigaltstack),
    allow(SYS_tgkill),
    allow(SYS_timer_create),
    allow(SYS_timer_settime),
    allow(SYS_timer_delete),
    allow(SYS_timer_gettime),
    allow(SYS_setitimer),
    // The process and its threads; no new process.
    allow(SYS_clone, {0, CLONE_THREAD, CLONE_THREAD}),
    {SYS_clone3, Action::kAbsent, {}},
    allow(SYS_set_robust_list),
    allow(SYS_rseq),
    allow(SYS_exit),
    allow(SYS_exit_group),
    allow(SYS_getpid),
    allow(SYS_gettid),
    allow(SYS_getuid),
    allow(SYS_geteuid),
    allow(SYS_getgid),
    allow(SYS_getegid),
    allow(SYS_getrusage),
    allow(SYS_times),
    allow(SYS_sysinfo),
    allow(SYS_uname),
    allow(SYS_prlimit64),
    allow(SYS_getrlimit),
    allow(SYS_sched_getaffinity),
    allow(SYS_getcpu),
    allow(SYS_membarrier),
    allow(SYS_prctl, is(0, PR_SET_NAME)),
    allow(SYS_prctl, is(0, PR_GET_NAME)),
    allow(SYS_prctl, is(0, PR_SET_VMA)),
};

constexpr Rule kForbidden[] = {
    // Only who has taken the process over would ask for these.
    kill(SYS_execve),
    kill(SYS_execveat),
    kill(SYS_ptrace),
    kill(SYS_process_vm_readv),
    kill(SYS_process_vm_writev),
    kill(SYS_init_module),
    kill(SYS_finit_module),
    kill(SYS_delete_module),
    kill(SYS_kexec_load),
    kill(SYS_kexec_file_load),
    kill(SYS_mount),
    kill(SYS_umount2),
    kill(SYS_pivot_root),
    kill(SYS_chroot),
    kill(SYS_move_mount),
    kill(SYS_open_tree),
    kill(SYS_fsopen),
    kill(SYS_fsmount),
    kill(SYS_unshare),
    kill(SYS_setns),
    kill(SYS_bpf),
    kill(SYS_perf_event_open),
    kill(SYS_userfaultfd),
    kill(SYS_open_by_handle_at),
    kill(SYS_reboot),
    kill(SYS_swapon),
    kill(SYS_add_key),
    kill(SYS_request_key),
    kill(SYS_keyctl),
    kill(SYS_vfork),
    kill(SYS_fork),
    kill(SYS_memfd_create),
};

}  // namespace

std::vector<Rule> data_plane_rules(std::span<const Rule> own) {
  std::vector<Rule> out(std::begin(kAllowed), std::end(kAllowed));
  out.insert(out.end(), own.begin(), own.end());
  out.insert(out.end(), std::begin(kForbidden), std::end(kForbidden));
  return out;
}

}  // namespace culvert::sandbox
