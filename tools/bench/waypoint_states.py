"""What of the waypoint is not a load at full speed: what routes and connections take of memory and time, and how soon a
change of one of them acts."""
import json
import pathlib
import subprocess
import time

from figures import requests, run_alternating, say
from holders import MOST, holding
from labs import BENCH, Failed, ended
from labs import culvert as cli
from readings import memory
from report import row
from states import MIB, START_UP_S
from waypoint_lab import MANY, SPOKEN, changing_rule, open_waypoints

ROUTES = (1, 100, MANY)
WATCH = pathlib.Path(__file__).resolve().parent / "watch_status.py"
STATUSES = (201, 202)  # what the changed route answers before and after
LOAD_RATE = 500        # requests/s beside the changes
BETWEEN_CHANGES_S = 0.5
LISTED = {"waypoint_memory": "the waypoint's memory, idle with 1, 100, 1,000 routes, and with idle HTTP connections",
          "waypoint_routes": "the waypoint's CPU time of a request with 1,000 routes against 1",
          "waypoint_change": "from a change of 1 of 1,000 routes to its effect, under load"}


def rss_mb(pid):
    return memory(pid)["rss_kib"] / MIB


def measure_memory(names, options):
    """Fresh processes for each number of routes; those with one route then hold connections that were asked once."""
    names = [name for name in names if name in ("culvert", "envoy")]
    steps = (10, 1000) if options.quick else (10, MOST)
    read = {}  # (what, way) -> MB
    for count in ROUTES[:2] if options.quick else ROUTES:
        with open_waypoints(names, options, word=f"r{count}", others=count - 1, checked=False) as ways:
            time.sleep(options.settle if options.quick else START_UP_S)
            for name, way in ways.items():
                read[f"routes_{count}", name] = rss_mb(way.pids[0])
                say(f"waypoint memory, {name}, {count} routes: {read[f'routes_{count}', name]:.1f} MB")
            for name, way in ways.items() if count == 1 else ():
                hold_connections(way, name, steps, options, read)

    def of(what):
        return {name: [read[what, name]] for name in names}
    rows = [row(f"waypoint_memory_{what}", f"waypoint: memory idle with {what.partition('_')[2]} routes: RSS", "MB", of(what))
            for what in (f"routes_{count}" for count in ROUTES) if (what, names[0]) in read]
    rows += [row(f"waypoint_memory_held_{step}", f"waypoint: memory with {step} idle HTTP connections: RSS", "MB", of(f"held_{step}"))
             for step in steps]
    rows.append(row("waypoint_memory_each", f"waypoint: memory of each of {steps[1]} idle HTTP connections", "KiB", {
        name: [(read[f"held_{steps[1]}", name] - read[f"held_{steps[0]}", name]) * MIB / (steps[1] - steps[0])] for name in names}))
    return rows, {f"{what} {name}": value for (what, name), value in read.items()}


def hold_connections(way, name, steps, options, read):
    with holding(way, "http", ("--proxied", "--authority", f"{name}.mesh")) as held:
        for step in steps:
            held.open(step)
            time.sleep(options.settle)
            read[f"held_{step}", name] = rss_mb(way.pids[0])
            say(f"waypoint memory, {name}, {step} idle connections: {read[f'held_{step}', name]:.1f} MB")
            held.ask()
        held.close()


def measure_routes(names, options):
    """One process, two hosts: one with a single route, one whose last of 1,000 is asked for."""
    load = requests("waypoint_routes", "waypoint: 1 and 1,000 routes", 32, path="http", ways=("culvert", "many"))
    with open_waypoints(("culvert", "many"), options, word="many", others=0) as ways:
        runs = run_alternating([load], ways, options.rounds, options.seconds)
    few, many = ([run["cpu"]["side"] for run in runs[load.name][way]] for way in ("culvert", "many"))
    return [row("waypoint_routes_1_cpu", "waypoint: CPU with 1 route on the host", "us/request", {"culvert": few}),
            row("waypoint_routes_1000_cpu", f"  with {MANY}, the last matches", "us/request", {"culvert": many}),
            row("waypoint_routes_ratio", "  to that of 1 route", "", {"culvert": [b / a for a, b in zip(few, many)]})], runs


def measure_change(names, options):
    """One of a host's 1,000 routes, an object of its own, changed by `culvert lab apply` and by a file moved into control's folder,
    in turn: from the start of the command, and from the file's being there, to the first answer by it. Beside it other requests go
    on, and none may fail."""
    took, rounds = {"apply": [], "folder": []}, max(options.rounds, 2) * 2
    with open_waypoints(("culvert",), options, word="change", others=MANY - 2) as ways:
        way = ways["culvert"]
        inside = pathlib.Path(f"/run/culvert/lab/{way.lab.name}/config/changing.yaml")

        def apply(status):
            path = way.lab.file("changing.yaml", changing_rule(status))
            begin = time.monotonic_ns()
            cli("lab", "apply", "--name", way.lab.name, "-f", path)
            return begin

        def put(status):
            aside = inside.with_suffix(".new")
            aside.write_text(changing_rule(status))
            begin = time.monotonic_ns()
            aside.rename(inside)
            return begin
        apply(STATUSES[0])
        address, port = way.targets["http"].rsplit(":", 1)
        watcher = way.lab.popen("mesh/client", "/usr/bin/python3", WATCH, address, port, "culvert.mesh", "/changing/",
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        others = way.lab.popen("mesh/client", BENCH, "requests", way.targets["http"], "--proxied", *SPOKEN["http"],
                               "--rate", LOAD_RATE, "--seconds", 2 * rounds + 2, stdout=subprocess.PIPE)
        with ended(watcher), ended(others):
            expect(watcher, STATUSES[0])
            for _ in range(rounds):
                for (how, change), status in zip((("apply", apply), ("folder", put)), reversed(STATUSES)):
                    time.sleep(BETWEEN_CHANGES_S)
                    begin = change(status)
                    took[how].append((expect(watcher, status) - begin) / 1e6)
                    say(f"waypoint: a change by {how} acts after {took[how][-1]:.1f} ms")
            out, _ = others.communicate(timeout=2 * rounds + 60)
        told = json.loads(out)
    failed = sum(told["failures"].values()) + told["wrong"]
    return [row("waypoint_change", f"waypoint: 1 of {MANY} routes changed, `lab apply` started, to its effect", "ms",
                {"culvert": took["apply"]}),
            row("waypoint_change_folder", "  from the file's being in control's folder", "ms", {"culvert": took["folder"]}),
            row("waypoint_change_failed", f"  requests that failed meanwhile, of {told['answered_in_all']}", "",
                {"culvert": [failed]})], {"took_ms": took, "load": told}


def expect(watcher, status):
    """The time, in ns, of the change to `status`, which must come next."""
    line = watcher.stdout.readline()
    change = json.loads(line) if line else {}
    if change.get("status") != status:
        raise Failed(f"a changed route: expected {status}, got {change or 'the end of the watcher'}")
    return change["at_ns"]


MEASURES = {"waypoint_memory": measure_memory, "waypoint_routes": measure_routes, "waypoint_change": measure_change}
