#!/usr/bin/python3
"""Measures Culvert against no mesh at all (direct) and against Envoy as the same pair of tunnels, in one run.

Two nodes, a pod on each, mutual TLS, default settings, in labs on this machine. Runs alternate (direct,
Culvert, Envoy, direct, ...), so that noise meets all alike: ratios within a round count, and absolute
figures are of this machine and moment. All data is checked; a byte that differs ends the bench. The waypoint is
measured between ztunnels with ours and with Envoy in its place, and as a plain edge beside HAProxy, nginx and Envoy. Below the
tables stand the names of rows that miss their target or are behind Istio's ztunnel or Envoy; of one that was not run, nothing.
"""
import argparse
import datetime
import json
import signal
import subprocess
import sys

import enrolment
import hog
import neighbours
import priority
import states
import waypoint
from figures import LOADS, fixed_rate, run_alternating, say
from labs import REPO, Failed, remove_left_overs
from readings import machine
from report import load_rows, missed_istio, missed_targets, redirection_table, table, worse_than_envoy
from report_waypoint import edge_table, waypoint_table
from ways import ALL, open_ways

RATE_OF_ENVOY = 1 / 3
STATES = {"memory": "memory idle, with 1,000 and 10,000 idle connections, and afterwards",
          "hooks": "time of the eBPF programs for each new connection", "enrolment": "enrolment of 250 pods, one after the other and all at once",
          "hog": "a quiet pod's latency beside a pod that takes all it may",
          "policy": "from a change of policy to its effect"}
EXAMPLES = """
examples:
  ./dev bench --quick                          a few minutes: short runs, few rounds
  ./dev bench --json bench.json                all of it, with every run's figures in a file
  ./dev bench --only requests --ways direct,culvert
  ./dev bench --only throughput_1 --only memory --rounds 3
  ./dev bench --only waypoint --only edge      the waypoint alone
  ./dev bench --only waypoint_rate --load 3    its latency on a machine that is busy otherwise
  ./dev bench --list                           the names for --only

^C takes the labs down. Figures are explained in docs/performance.md.
"""


def ways_of(text):
    names = text.split(",")
    if not set(names) <= set(ALL):
        raise argparse.ArgumentTypeError(f"ways are {', '.join(ALL)}")
    return [name for name in ALL if name in names]


def count_of_neighbours(text):
    if not text.isdecimal() or int(text) > neighbours.MOST:
        raise argparse.ArgumentTypeError(f"0 to {neighbours.MOST} neighbours")
    return int(text)


def parse(argv):
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__, epilog=EXAMPLES,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", metavar="FILE", help="write all figures, each run's too, as JSON")
    parser.add_argument("--quick", action="store_true", help="2 rounds of 1 s, 1,000 idle connections, 20 pods")
    parser.add_argument("--only", metavar="NAME", action="append", default=[],
                        help="only figures whose names start so; may be given several times")
    parser.add_argument("--rounds", type=int, help="of each figure (5; not captured: twice as many)")
    parser.add_argument("--seconds", type=float, help="of each run (4)")
    parser.add_argument("--ways", type=ways_of, default=list(ALL), help="some of " + ",".join(ALL))
    parser.add_argument("--envoy-threads", type=int, default=1, help="Envoy's --concurrency (1, as ztunnel's here)")
    parser.add_argument("--settle", type=float, default=10, metavar="SECONDS",
                        help="from the end of the idle connections to the last look at memory (10)")
    parser.add_argument("--nice", type=int, default=0, metavar="N",
                        help="priority of all that runs, e.g. -15 where others use the machine too (0)")
    parser.add_argument("--load", type=count_of_neighbours, default=0, metavar="N",
                        help=f"other work beside all runs: N builds of {neighbours.JOBS} jobs each (0)")
    parser.add_argument("--list", action="store_true", help="list the figures and end")
    options = parser.parse_args(argv)
    options.rounds = options.rounds or (2 if options.quick else 5)
    options.seconds = options.seconds or (1 if options.quick else 4)
    options.integrity_mib = 32 if options.quick else 256
    for prefix in options.only:
        if not any(name.startswith(prefix) for name, _ in listed()):
            parser.error(f"no figure's name starts with {prefix}; --list shows them")
    return options


def listed():
    return [(f.name, f.title) for f in LOADS] + [("fixed_rate", "latency at a third of what the Envoy pair can do"),
                                                 *STATES.items(), *waypoint.LISTED.items()]


def measure_loads(options, wanted):
    """Rows and runs of the loads, with the labs that they need."""
    chosen = [f for f in LOADS if wanted(f.name)]
    at_rate = wanted("fixed_rate") and {"direct", "culvert", "envoy"} <= set(options.ways)
    if not chosen and not at_rate:
        return [], {}
    rows, runs = [], {}
    needed = {way for figure in chosen for way in figure.ways} | set(fixed_rate(0).ways if at_rate else ())
    with open_ways([way for way in options.ways if way in needed], options) as ways:
        runs = run_alternating(chosen, ways, options.rounds, options.seconds)
        for figure in chosen:
            rows += load_rows(figure, runs[figure.name])
        if at_rate:
            figure = fixed_rate(envoy_rate(runs, ways, options) * RATE_OF_ENVOY)
            runs |= run_alternating([figure], ways, options.rounds, options.seconds)
            rows += load_rows(figure, runs[figure.name])
    return rows, runs


def envoy_rate(runs, ways, options):
    """Requests a second that the Envoy pair answers over as many connections as the fixed rate will use."""
    known = runs.get("requests_32", {}).get("envoy")
    if not known:
        load = next(f for f in LOADS if f.name == "requests_32")
        known = run_alternating([load], {"envoy": ways["envoy"]}, options.rounds, options.seconds)[load.name]["envoy"]
    return sorted(run["value"] for run in known)[len(known) // 2]


def measure(options):
    def wanted(name):
        return not options.only or any(name.startswith(prefix) for prefix in options.only)
    rows, runs = measure_loads(options, wanted)
    readings, failures = {}, []
    for name in STATES:
        if not wanted(name) or "culvert" not in options.ways:
            continue
        try:
            more, readings[name] = {"memory": lambda: states.measure_memory(options.ways, options),
                                    "hooks": lambda: states.measure_hooks(options),
                                    "enrolment": lambda: enrolment.measure_enrolment(options),
                                    "hog": lambda: hog.measure_hog(options),
                                    "policy": lambda: states.measure_policy(options)}[name]()
            rows += more
        except Failed as failure:  # the figures before it, and after, are worth having
            failures.append(f"{name}: {failure}")
    more_rows, more_runs, more_readings, more_failures = waypoint.measure(options, wanted)
    return rows + more_rows, runs | more_runs, readings | more_readings, failures + more_failures


def commit():
    done = subprocess.run(["git", "-C", REPO, "describe", "--always", "--dirty"], text=True, capture_output=True)
    return done.stdout.strip()


def end_early(*_):
    """The first signal ends the bench; further ones do not disturb its cleaning up."""
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, signal.SIG_IGN)
    raise KeyboardInterrupt


def main(argv):
    options = parse(argv)
    if options.list:
        for name, title in listed():
            print(f"{name:28} {title}")
        return 0
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, end_early)
    started = datetime.datetime.now(datetime.timezone.utc)
    try:
        priority.set_nice(options.nice)
        remove_left_overs()
        with neighbours.beside(options.load):
            rows, runs, readings, failures = measure(options)
    except Failed as failure:
        print(f"bench: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bench: ended early; everything is taken down", file=sys.stderr)
        return 130
    about = {"version": 1, "commit": commit(), "started": started.isoformat(timespec="seconds"),
             "machine": machine(), "ways": options.ways, "rounds": options.rounds, "seconds": options.seconds,
             "envoy_threads": options.envoy_threads, "nice": options.nice, "load": options.load}
    print(f"{about['machine']['cpu']}, {about['machine']['cores']} cores, kernel {about['machine']['kernel']}, commit "
          f"{about['commit']}; {options.rounds} rounds of {options.seconds:g} s; medians (least-greatest)\n")
    print("\n\n".join(text for text in (table(rows), redirection_table(rows), waypoint_table(rows), edge_table(rows))
                      if text))
    said = {"targets missed": missed_targets(rows), "worse than Istio's ztunnel": missed_istio(rows),
            "behind Envoy": worse_than_envoy(rows)}
    for words, names in said.items():
        print(f"\n{words}: {', '.join(names) or 'none'}")
    if options.json:
        with open(options.json, "w") as out:
            json.dump({**about, "figures": rows, "missed": said, "runs": runs, "readings": readings, "failures": failures}, out,
                      indent=1)
        say(f"wrote {options.json}")
    for failure in failures:
        print(f"bench: {failure}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
