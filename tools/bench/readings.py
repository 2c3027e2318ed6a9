"""What the kernel says about processes and the machine: CPU time and memory."""
import os
import pathlib
import platform
import re

TICK_S = 1 / os.sysconf("SC_CLK_TCK")
GIB = 1 << 30


def cpu_s(pid):
    """utime + stime of a process, all its threads, from /proc/PID/stat."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * TICK_S


def machine_cpu():
    """(busy, stolen) seconds of all cores since the start, from /proc/stat."""
    user, nice, system, _, _, irq, softirq, steal = map(int, pathlib.Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + irq + softirq) * TICK_S, steal * TICK_S


class Cpu:
    """CPU time spent inside `with`: `processes` in their order, and the whole machine with whoever shares it."""

    def __init__(self, pids):
        self.pids = list(pids)

    def read(self):
        return [cpu_s(pid) for pid in self.pids], machine_cpu()

    def __enter__(self):
        self.before = self.read()
        return self

    def __exit__(self, *_):
        processes, machine = self.read()
        self.processes = [after - before for after, before in zip(processes, self.before[0])]
        self.machine_s, self.stolen_s = (after - before for after, before in zip(machine, self.before[1]))


def memory(pid):
    """{"rss_kib", "pss_kib"} from /proc/PID/smaps_rollup."""
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return {f"{name.lower()}_kib": int(re.search(rf"^{name}: +(\d+) kB", text, re.M)[1]) for name in ("Rss", "Pss")}


def machine():
    """What the figures were taken on."""
    cpus = re.findall(r"^model name\s*: (.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.M)
    total = re.search(r"MemTotal: +(\d+) kB", pathlib.Path("/proc/meminfo").read_text())[1]
    return {"cpu": cpus[0] if cpus else platform.processor(), "cores": os.cpu_count(), "kernel": platform.release(),
            "memory_mib": int(total) // 1024}
