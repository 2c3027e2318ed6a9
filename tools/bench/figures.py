"""The loads: what runs, what is read of its result, and which processes' CPU time it is set against."""
import dataclasses
import sys
import time
from collections.abc import Callable

from readings import GIB, Cpu

CONNECTIONS_AT_A_RATE = 32
QUIET_S = 0.2  # between two runs: what the last one left has gone


@dataclasses.dataclass(frozen=True)
class Figure:
    """One load. `word` and `flags` are culvert-bench's; `value` reads its result."""
    name: str
    title: str
    word: str
    flags: tuple
    value: Callable
    unit: str
    work: Callable          # how much was done, for CPU time by unit of work
    work_unit: str          # "GiB", "request", "connection"
    path: str = "across"
    ways: tuple = ("direct", "culvert", "envoy")
    rounds_factor: int = 1
    timed: bool = True      # has --seconds and, but for bulk, --warm-up


def throughput(name, title, streams, **more):
    return Figure(name, title, "bulk", ("--streams", streams), lambda r: r["mbit_s"], "Mbit/s",
                  lambda r: r["bytes"] / GIB, "GiB", **more)


def requests(name, title, connections, **more):
    return Figure(name, title, "requests", ("--connections", connections), lambda r: r["per_s"], "/s",
                  lambda r: r["answered_in_all"], "request", **more)


def connects(name, title, concurrency, **more):
    return Figure(name, title, "connects", ("--concurrency", concurrency), lambda r: r["per_s"], "/s",
                  lambda r: r["done_in_all"], "connection", **more)


SAME_NODE = {"path": "near", "ways": ("direct", "culvert")}
REDIRECTED = {"ways": ("envoy", "iptables")}
NOT_CAPTURED = {"path": "plain", "ways": ("direct", "culvert"), "rounds_factor": 2}
LOADS = [
    throughput("throughput_1", "throughput, 1 stream", 1),
    throughput("throughput_8", "throughput, 8 streams", 8),
    requests("requests_1", "requests, 1 connection", 1),
    requests("requests_32", "requests, 32 connections", 32),
    requests("requests_256", "requests, 256 connections", 256),
    connects("connections_1", "new connections, 1 at once", 1),
    connects("connections_32", "new connections, 32 at once", 32),
    throughput("same_node_throughput_1", "same node: throughput, 1 stream", 1, **SAME_NODE),
    requests("same_node_requests_1", "same node: requests, 1 connection", 1, **SAME_NODE),
    requests("same_node_requests_32", "same node: requests, 32 connections", 32, **SAME_NODE),
    throughput("redirection_throughput_1", "throughput, 1 stream", 1, **REDIRECTED),
    requests("redirection_requests_32", "requests, 32 connections", 32, **REDIRECTED),
    connects("redirection_connections_32", "new connections, 32 at once", 32, **REDIRECTED),
    throughput("not_captured_throughput_1", "not captured: throughput, 1 stream", 1, **NOT_CAPTURED),
    requests("not_captured_requests_1", "not captured: requests, 1 connection", 1, **NOT_CAPTURED),
    connects("not_captured_connections_1", "not captured: new connections, 1 at once", 1, **NOT_CAPTURED),
]


def fixed_rate(per_second):
    """Latency when `per_second` requests are due each second (a third of what the Envoy pair can do)."""
    return dataclasses.replace(
        requests("fixed_rate", f"latency at {per_second:.0f} requests/s", CONNECTIONS_AT_A_RATE),
        flags=("--connections", CONNECTIONS_AT_A_RATE, "--rate", f"{per_second:.1f}"),
        value=lambda r: r["latency_us"]["p50"], unit="us")


def run_once(figure, way, seconds):
    """{"value", "latency_us", "cpu": {"unit", "sides", "side", "machine"}, "stolen_s", "result"}.

    CPU time is by unit of work, in seconds for a GiB and microseconds for what is smaller; a side is one
    tunnel process, `side` the mean of both; the machine's has generators, kernel and neighbors in it."""
    flags = list(figure.flags) + ["--seconds", seconds]
    if figure.word != "bulk":
        flags += ["--warm-up", min(0.5, seconds / 4)]
    time.sleep(QUIET_S)
    with Cpu(way.pids) as cpu:
        result = way.run(figure.path, figure.word, *flags, timeout=seconds + 90)
    work = figure.work(result)
    scale = (1 if figure.work_unit == "GiB" else 1e6) / max(work, 1e-9)
    used = {"unit": ("s/" if figure.work_unit == "GiB" else "us/") + figure.work_unit,
            "machine": cpu.machine_s * scale}
    if cpu.processes:
        used["sides"] = [one * scale for one in cpu.processes]
        used["side"] = sum(used["sides"]) / len(used["sides"])
    return {"value": figure.value(result), "latency_us": result.get("latency_us"), "cpu": used,
            "stolen_s": cpu.stolen_s, "result": result}


def run_alternating(figures, ways, rounds, seconds):
    """{figure's name: {way's name: [a run, ...]}}: A B C A B C ..., all figures in each round.

    The runs of one round stand within seconds of each other, so that their ratio is that of one moment."""
    out = {f.name: {name: [] for name in f.ways if name in ways} for f in figures}
    total = sum(rounds * f.rounds_factor * len(out[f.name]) for f in figures)
    done, begin = 0, time.monotonic()
    for number in range(rounds * max((f.rounds_factor for f in figures), default=0)):
        for figure in figures:
            if number >= rounds * figure.rounds_factor:
                continue
            for name, runs in out[figure.name].items():
                runs.append(run_once(figure, ways[name], seconds))
                done += 1
                say(f"[{done}/{total}, {time.monotonic() - begin:.0f} s] {figure.title}, {name}: "
                    f"{runs[-1]['value']:.1f} {figure.unit}")
    return out


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)
