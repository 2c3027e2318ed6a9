"""Priority over whatever else uses the machine, alike for all that the bench runs."""
import contextlib
import os
import pathlib

_nice = 0


def set_nice(value):
    """Before anything is started: children inherit it."""
    global _nice
    _nice = value
    if value:
        os.setpriority(os.PRIO_PROCESS, 0, value)


def apply(pids):
    """To sessions of these processes: where the kernel groups processes by session (autogroup, sched(7)), a
    process' own nice value counts only within its session."""
    for pid in pids if _nice else ():
        with contextlib.suppress(OSError):  # a kernel without autogroups, a process that has just ended
            pathlib.Path(f"/proc/{pid}/autogroup").write_text(str(_nice))


LEAST = 19


def least(pids):
    """As apply(), but behind everything else: for programs that must take no core from what is measured."""
    for pid in pids:
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, pid, LEAST)
            pathlib.Path(f"/proc/{pid}/autogroup").write_text(str(LEAST))


def cgroup_pids(folder):
    """Of a cgroup2 and those below it."""
    root = next(line.split()[4] for line in open("/proc/self/mountinfo") if " - cgroup2 " in line)
    return [int(pid) for file in pathlib.Path(root, folder).rglob("cgroup.procs") for pid in file.read_text().split()]
