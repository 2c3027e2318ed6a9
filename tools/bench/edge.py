"""`culvert-waypoint` as a plain edge, beside HAProxy, nginx and Envoy: one worker each, the same client and the same origin, none of
them in the mesh. HTTP/1.1, HTTP/2 and gRPC, at full load and all at half of what the slowest reaches; and idle connections.
"""
import contextlib
import dataclasses
import pathlib
import time

from edge_proxies import PORTS, WORLD, commands
from figures import requests, run_alternating, say
from holders import HARD_LIMIT, MOST, holding
from labs import PORT, Failed, Lab, ended
from readings import memory
from report import row
from report_waypoint import EDGES, edge_rate_rows, load_rows
from waypoint_lab import SPOKEN
from ways import Way

RATE_OF_SLOWEST = 1 / 2
TITLES = {"http": "edge: HTTP/1.1", "http2": "edge: HTTP/2", "grpc": "edge: gRPC"}
LOADS = [dataclasses.replace(requests(f"edge_{kind}", title, 32, path=kind, ways=EDGES), flags=SPOKEN[kind])
         for kind, title in TITLES.items()]
BESIDE = "as a plain edge beside HAProxy, nginx and Envoy"
LISTED = {**{load.name: f"{load.title}: requests, CPU time, latency, {BESIDE}" for load in LOADS},
          **{f"edge_rate_{kind}": f"{title}: latency of each at half of what the slowest of them can do" for kind, title in TITLES.items()},
          "edge_memory": "edge: memory of each with idle connections"}
READY_S = 30
FEW = 10
MIB = 1024  # KiB


class Edge(Way):
    """The client, and the proxy's process."""

    def __init__(self, name, lab, ip, ports, pids=()):
        self.name, self.lab, self.pids = name, lab, list(pids)
        self.targets = {kind: f"{ip}:{port}" for kind, port in ports.items()}

    def client(self, path):
        return "outside/client"

    def run(self, path, word, *flags, timeout=120):
        return super().run(path, word, "--proxied", "--authority", "www.example", *flags, timeout=timeout)

    def wait_ready(self):
        """Until each kind of request is answered."""
        end = time.monotonic() + READY_S
        for kind, flags in SPOKEN.items():
            while True:
                try:
                    self.run(kind, "requests", *flags, "--seconds", "0.1", "--warm-up", "0", timeout=20)
                    break
                except Failed as failure:
                    if time.monotonic() > end:
                        raise Failed(f"{self.name} as an edge, {kind}: {failure}") from None
                time.sleep(0.2)


@contextlib.contextmanager
def open_edges(names, options):
    """{name: Edge} inside `with`, in the order of EDGES."""
    with contextlib.ExitStack() as stack:
        flags = ["--waypoint-flag=--workers=1", "--waypoint-flag=--access-log-filter=errors"]
        lab = stack.enter_context(Lab("edge", WORLD, flags=flags))
        out = {"direct": Edge("direct", lab, lab.ip("outside/direct-v1"), dict.fromkeys(SPOKEN, PORT)),
               "culvert": Edge("culvert", lab, lab.ip("outside/edge"), PORTS["culvert"], [lab.container_pid("outside/edge")])}
        others = lab.ip("outside/others")
        for name, command in commands(lab, names, HARD_LIMIT, options).items():
            with pathlib.Path(lab.folder.name, f"{name}.out").open("w") as log:
                process = stack.enter_context(ended(lab.popen("outside/others", *command, stdout=log, stderr=log)))
            out[name] = Edge(name, lab, others, PORTS[name], [process.pid])
        for edge in out.values():
            edge.wait_ready()
        yield {name: out[name] for name in EDGES if name in out}


def at_rate(load, per_second):
    return dataclasses.replace(
        load, name=load.name.replace("edge_", "edge_rate_"), title=f"{load.title} at {per_second:.0f} requests/s",
        flags=(*load.flags, "--rate", f"{per_second:.1f}"), value=lambda r: r["latency_us"]["p50"], unit="us")


def slowest(runs):
    """Requests a second, median, of the proxy that answers fewest."""
    return min(sorted(run["value"] for run in each)[len(each) // 2] for name, each in runs.items() if name != "direct" and each)


def measure_loads(ways, options, wanted):
    full = [load for load in LOADS if wanted(load.name)]
    rated = [load for load in LOADS if wanted(load.name.replace("edge_", "edge_rate_"))]
    runs = run_alternating(full, ways, options.rounds, options.seconds)
    rows = [one for load in full for one in load_rows(load, runs[load.name])]
    proxies = {name: way for name, way in ways.items() if name != "direct"}
    for load in rated:
        known = runs.get(load.name) or run_alternating([load], proxies, options.rounds, options.seconds)[load.name]
        figure = at_rate(load, slowest(known) * RATE_OF_SLOWEST)
        runs |= run_alternating([figure], ways, options.rounds, options.seconds)
        rows += edge_rate_rows(figure, runs[figure.name])
    return rows, runs


def measure_memory(ways, options):
    """With few connections of HTTP/1.1 that have had a request and wait for the next, and with many. The few come first: they have
    what serving any takes."""
    count, read = 500 if options.quick else MOST, {}
    for name, way in ways.items():
        if not way.pids:
            continue
        with holding(way, "http", ("--proxied", "--authority", "www.example")) as held:
            for step in (FEW, count):
                held.open(step)
                time.sleep(options.settle)
                read.setdefault(name, []).append(memory(way.pids[0])["rss_kib"])
            held.ask()
            held.close()
        say(f"{name}: {read[name][0] / MIB:.1f} MB with {FEW} idle connections, {read[name][1] / MIB:.1f} with {count}")
    rows = [row(f"edge_memory_{step}", f"edge: memory with {step} idle connections: RSS", "MB",
                {name: [one[i] / MIB] for name, one in read.items()}) for i, step in enumerate((FEW, count))]
    return [*rows, row("edge_memory_each", f"edge: memory of each of {count} idle connections", "KiB",
                       {name: [(after - before) / (count - FEW)] for name, (before, after) in read.items()})]


def measure(names, options, wanted):
    """Rows, and runs by figure."""
    if not any(map(wanted, LISTED)):
        return [], {}
    with open_edges(names, options) as ways:
        rows, runs = measure_loads(ways, options, wanted)
        if wanted("edge_memory"):
            rows += measure_memory(ways, options)
    return rows, runs
