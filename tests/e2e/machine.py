"""What a lab must leave as it was: a snapshot of the machine, to compare before and after."""
import os
import pathlib
import re
import select
import signal
import subprocess

CGROUP2 = next(line.split()[4] for line in open("/proc/self/mountinfo") if " - cgroup2 " in line)


def run(*argv, netns=None):
    prefix = ["ip", "netns", "exec", netns] if netns else []
    return subprocess.run([*prefix, *argv], capture_output=True, text=True).stdout


def without_counters(text):
    """iptables-save without its packet counts and dates."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return [re.sub(r"\[\d+:\d+\]", "", line) for line in lines]


def rules(netns=None):
    """The packet rules and routes of a namespace: the machine's own, or one of /run/netns."""
    return {
        "iptables": without_counters(run("iptables-save", netns=netns)),
        "ip6tables": without_counters(run("ip6tables-save", netns=netns)),
        "nft": run("nft", "list", "ruleset", netns=netns),
        "tc": run("tc", "qdisc", "show", netns=netns),
        "rule": run("ip", "rule", netns=netns) + run("ip", "-6", "rule", netns=netns),
        "route": run("ip", "route", "show", "table", "all", netns=netns),
        "route6": re.sub(r"expires \d+sec", "",
                         run("ip", "-6", "route", "show", "table", "all", netns=netns)),
    }


def tree(path, own):
    """Paths below `path` that hold `own` in them."""
    out = set()
    for folder, folders, files in os.walk(path):
        out |= {os.path.join(folder, name) for name in folders + files if own in name}
    return out


def command_lines():
    """(pid, words) of every process that has a command line; zombies have none."""
    for entry in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().decode("utf-8", "replace").split("\0")
        except OSError:
            continue
        if words[0]:
            yield int(entry.parent.name), words


def processes(own):
    """Command lines, other than our own, that name the lab."""
    return {" ".join(words) for pid, words in command_lines() if pid != os.getpid() and own in words}


def kill(pid):
    """SIGKILL, and waits until the process is gone."""
    fd = os.pidfd_open(pid)
    try:
        signal.pidfd_send_signal(fd, signal.SIGKILL)
        select.select([fd], [], [], 10)
    finally:
        os.close(fd)


def remains(name):
    """Everything on the machine that belongs to the lab `name`; empty after its `down`."""
    netns = pathlib.Path("/run/netns")
    mounts = {line.split()[4] for line in open("/proc/self/mountinfo")}
    found = {
        "netns": {p.name for p in netns.glob(f"cv-{name}-*")} if netns.exists() else set(),
        "cgroups": tree(f"{CGROUP2}/culvert/lab", name),
        "pins": tree("/sys/fs/bpf/culvert/lab", name),
        "state": tree("/run/culvert/lab", name),
        "mounts": {mount for mount in mounts if f"/cv-{name}-" in mount or f"/lab/{name}/" in mount},
        "processes": processes(name),
        "links": {line for line in run("ip", "-br", "link").splitlines() if "cv-" in line},
        "temporary": {str(p) for p in pathlib.Path("/tmp").glob(f"*{name}*")},
    }
    return {kind: things for kind, things in found.items() if things}


def snapshot():
    """Links and rules of the machine's own namespace, which no lab may touch."""
    return {"links": sorted(line.split()[0] for line in run("ip", "-br", "link").splitlines()),
            **rules()}
