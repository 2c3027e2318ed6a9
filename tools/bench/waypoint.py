"""The waypoint's figures: requests of each kind by each way, full load and half of what Envoy can do; and, from other files,
its states and it as a plain edge."""
import dataclasses

import edge
import waypoint_states
from figures import requests, run_alternating
from labs import Failed
from report_waypoint import load_rows, rate_rows
from waypoint_lab import ALL, SPOKEN, open_waypoints

RATE_OF_ENVOY = 1 / 2
TITLES = {"http": "waypoint: HTTP/1.1", "http2": "waypoint: HTTP/2", "grpc": "waypoint: gRPC"}
LOADS = [dataclasses.replace(requests(f"waypoint_{kind}", title, 32, path=kind, ways=ALL), flags=SPOKEN[kind])
         for kind, title in TITLES.items()]
LISTED = {**{load.name: f"{load.title}: requests by each way, with ours and with Envoy in its place" for load in LOADS},
          **{f"waypoint_rate_{kind}": f"{title}: latency at half of what Envoy can do in its place"
             for kind, title in TITLES.items()},
          **waypoint_states.LISTED, **edge.LISTED}


def ways_for(names):
    """The waypoint's ways for those of the bench: without a mesh, ours, Envoy."""
    return [way for way in ALL if way in names or (way == "ztunnels" and "culvert" in names)]


def at_rate(load, per_second):
    return dataclasses.replace(
        load, name=load.name.replace("waypoint_", "waypoint_rate_"), title=f"{load.title}: latency at {per_second:.0f} requests/s",
        flags=(*load.flags, "--rate", f"{per_second:.1f}"), value=lambda r: r["latency_us"]["p50"], unit="us")


def median_rate(runs):
    return sorted(run["value"] for run in runs)[len(runs) // 2]


def measure_loads(options, wanted):
    """Rows, and runs by figure."""
    names = ways_for(options.ways)
    rated = [load for load in LOADS if wanted(load.name.replace("waypoint_", "waypoint_rate_")) and "envoy" in names]
    full = [load for load in LOADS if wanted(load.name)]
    if not rated and not full:
        return [], {}
    rows = []
    with open_waypoints(names, options) as ways:
        runs = run_alternating(full, ways, options.rounds, options.seconds)
        for load in full:
            rows += load_rows(load, runs[load.name])
        for load in rated:
            known = runs.get(load.name, {}).get("envoy") or run_alternating(
                [load], {"envoy": ways["envoy"]}, options.rounds, options.seconds)[load.name]["envoy"]
            figure = at_rate(load, median_rate(known) * RATE_OF_ENVOY)
            runs |= run_alternating([figure], ways, options.rounds, options.seconds)
            rows += rate_rows(figure, runs[figure.name])
    return rows, runs


def measure(options, wanted):
    """Rows, runs by figure, readings by figure, and what failed."""
    rows, runs = measure_loads(options, wanted)
    readings, failures = {}, []
    if "culvert" not in options.ways:
        return rows, runs, readings, failures
    for name, one in waypoint_states.MEASURES.items():
        if not wanted(name):
            continue
        try:
            more, readings[name] = one(ways_for(options.ways), options)
            rows += more
        except Failed as failure:  # the figures before it, and after, are worth having
            failures.append(f"{name}: {failure}")
    try:
        more, more_runs = edge.measure(ways_for(options.ways), options, wanted)
        return rows + more, runs | more_runs, readings, failures
    except Failed as failure:
        return rows, runs, readings, [*failures, f"edge: {failure}"]
