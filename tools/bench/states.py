"""What is not a load: memory, what the hooks take, how long a policy takes to act."""
import json
import statistics
import subprocess
import time

from figures import say
from holders import MOST, holding
from labs import BENCH, NAMESPACE, NODES, SLEEP, Failed, Lab, ended, pod
from labs import culvert as cli
from readings import memory
from report import row
from ways import PATHS, culvert, open_ways

IDLE_STEPS = (1000, MOST)
TARGETED = 10_000  # connections, of the figure for memory after they closed
MIB = 1024  # KiB
PROFILE_S = 2
POLICY_PATIENCE_S = 20
DENY = """apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: deny-all, namespace: mesh}
spec: {}
"""


# ztunnel gives the pages that only starting needed back after 3 s; what its keep-alive uses is there again after 10 s, on a
# tunnel that waits as after a load.
START_UP_S = 15


def settle(pids, seconds):
    """Waits, then sums up memory of each process."""
    time.sleep(seconds)
    return [memory(pid) for pid in pids]


def memory_of(way, steps, settle_s):
    """Memory of both tunnel processes at each step: {"idle", "1000", ..., "after"}: [{"rss_kib", "pss_kib"}, ...]."""
    out = {"idle": settle(way.pids, START_UP_S)}
    with holding(way) as held:
        for count in steps:
            held.open(count)
            out[str(count)] = settle(way.pids, settle_s)  # idle: what opening them took has been given back
            held.ask()
            say(f"memory, {way.name}, {count} idle connections: "
                f"{[one['rss_kib'] // 1024 for one in out[str(count)]]} MiB")
        held.close()
    out["after"] = settle(way.pids, settle_s)
    return out


def measure_memory(names, options):
    """Rows, and all readings. In labs of its own, whose processes have served nothing but one check before."""
    steps = IDLE_STEPS[:1] if options.quick else IDLE_STEPS
    readings = {}
    with open_ways([name for name in names if name in ("culvert", "envoy")], options, word="m") as ways:
        for name, way in ways.items():
            readings[name] = memory_of(way, steps, options.settle)

    def values(read):
        return {name: [read(one)] for name, one in readings.items()}

    def side(one, step, kind="rss_kib"):
        return statistics.mean(reading[kind] for reading in one[step])
    last = str(steps[-1])
    rows = [row("memory_idle", "memory idle: RSS a side", "MB", values(lambda one: side(one, "idle") / MIB)),
            row("memory_idle_pss", "memory idle: PSS a side", "MB", values(lambda one: side(one, "idle", "pss_kib") / MIB))]
    rows += [row(f"memory_{step}", f"memory with {step} idle connections: RSS a side", "MB",
                 values(lambda one, step=step: side(one, str(step)) / MIB)) for step in steps]
    rows.append(row("memory_each", f"memory of each of {last} idle connections, a side", "KiB",
                    values(lambda one: (side(one, last) - side(one, "idle")) / steps[-1])))
    rows.append(row("memory_after" if steps[-1] == TARGETED else f"memory_after_{last}",
                    f"memory {options.settle:.0f} s after {last} closed, above before", "MB",
                    values(lambda one: (side(one, "after") - side(one, "idle")) / MIB)))
    return rows, readings


def measure_hooks(options):
    """What the kernel says its programs took while new connections were made, by connection: connect, sockops,
    sk_lookup and getpeername on both nodes together, also for ztunnel's own sockets. Counting slows them a little."""
    took, each = [], []
    with Lab("hooks") as lab:
        way = culvert(lab)
        for _ in range(options.rounds):
            argv = ["connects", way.targets["across"], "--seconds", str(PROFILE_S + 2), "--warm-up", "1"]
            with ended(lab.popen(way.client("across"), BENCH, *argv, stdout=subprocess.PIPE)) as clients:
                time.sleep(1.5)
                told = cli("maps", "programs", "--lab", lab.name, "--profile", PROFILE_S, "-o", "json").stdout
                out, _ = clients.communicate(timeout=60)
            made = json.loads(out)["per_s"] * PROFILE_S
            programs = [one for one in json.loads(told) if one["runs"]]
            took.append(sum(one["runs"] * one["ns_per_run"] for one in programs) / 1e3 / made)
            each.append({"connections": made, "programs": programs})
            say(f"hooks: {took[-1]:.2f} us for each of {made:.0f} connections")
    return [row("hooks", "eBPF programs, a new connection, both nodes", "us", {"culvert": took})], each


def measure_policy(options):
    """From the start of `culvert lab apply` with a policy that refuses everything to the first new connection
    that is refused, and from the start of `delete` to the first that is answered again."""
    refused, answered, applied = [], [], []
    with Lab("policy") as lab:
        way = culvert(lab)
        path = lab.file("deny.yaml", DENY)
        watcher = lab.popen(PATHS["across"][0], BENCH, "watch", way.targets["across"], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE)
        with ended(watcher):
            expect(watcher, True)
            for _ in range(options.rounds):
                begin = time.monotonic_ns()
                cli("lab", "apply", "--name", lab.name, "-f", path)
                applied.append((time.monotonic_ns() - begin) / 1e6)
                refused.append((expect(watcher, False) - begin) / 1e6)
                begin = time.monotonic_ns()
                cli("lab", "delete", "--name", lab.name, "-f", path)
                answered.append((expect(watcher, True) - begin) / 1e6)
                say(f"policy: refused after {refused[-1]:.0f} ms, answered again after {answered[-1]:.0f} ms")
    return [row("policy_refused", "policy applied to its effect", "ms", {"culvert": refused}),
            row("policy_answered", "policy deleted to its effect", "ms", {"culvert": answered}),
            row("policy_applied", "  `apply` says it is in force everywhere", "ms", {"culvert": applied})], None


def expect(watcher, answered):
    """The time, in ns, of the change that must come next."""
    line = watcher.stdout.readline()
    change = json.loads(line) if line else {}
    if change.get("answered") is not answered:
        raise Failed(f"a policy's effect: expected answered={answered}, got {change or 'the end of the watcher'}")
    return change["at_ns"]
