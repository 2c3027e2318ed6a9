"""A quiet pod's latency beside a pod that takes all it may: what of it is ztunnel's doing.

The hog holds idle connections up to its share of ztunnel's descriptors, and has peers that send and are never
read. A second one also asks on a thousand connections in bursts. Its rate is bounded and its programs, its server too, run with
the least priority, so that what the quiet pod waits for is ztunnel and not a core that they hold. The same without
the mesh ("direct") tells what is the machine's and the kernel's doing.
"""
import contextlib
import json
import subprocess

import priority
from figures import say
from holders import Holder
from labs import BENCH, NAMESPACE, NODES, PORT, SERVE, SLEEP, Failed, Lab, ended, pod
from report import row

WORLD = NODES + NAMESPACE + "".join([
    pod("mesh", "client", "east", SLEEP), pod("mesh", "far", "west", SERVE),
    pod("mesh", "hog", "east", SLEEP), pod("mesh", "hogs", "west", SERVE)])
IDLE, STALLED, BUSY = 2500, 32, 1000  # connections of the hog; two of ztunnel's descriptors each
RATE, BURST = 1000, 250               # its requests a second, and how many at the same moment
QUIET = ["--connections", "4", "--rate", "250"]


class Way:
    """What Holder asks of a way."""

    def __init__(self, lab, quick):
        self.lab, self.quick = lab, quick
        self.targets = {"across": f"{lab.ip('mesh/hogs')}:{PORT}"}

    def client(self, _path):
        return "mesh/hog"

    def step_back(self, process):
        """The hog's programs: least priority. A quick run measures nothing, and may be on a machine that would leave them none."""
        if self.quick:
            return
        pods = self.lab.status()["pods"]
        server = next(process["pid"] for one in pods if one["name"] == "hogs" for process in one["processes"])
        priority.least([process.pid, server])


def quiet(lab, target, seconds):
    """The latencies of the quiet pod's requests, in us."""
    with ended(lab.popen("mesh/client", BENCH, "requests", target, *QUIET, "--seconds", seconds, "--warm-up", "0.5",
                         stdout=subprocess.PIPE)) as process:
        out, _ = process.communicate(timeout=seconds + 60)
    answer = json.loads(out)
    if answer["failures"] or answer["wrong"]:
        raise Failed(f"the quiet pod beside the hog: {answer}")
    return answer["latency_us"]


def beside_hog(lab, target, seconds, bursts, quick_run):
    way = Way(lab, quick_run)
    holder = Holder(way)
    with ended(holder.process):
        way.step_back(holder.process)
        held = holder.tell(f"open {IDLE}"), holder.tell(f"stall {STALLED}")
        latency, answer = beside_bursts(lab, way, target, seconds) if bursts else (quiet(lab, target, seconds), None)
        holder.tell("close")
    return latency, {"idle": held[0]["open"], "stalled": held[1]["stalled"], "bursts": answer}


def beside_bursts(lab, way, target, seconds):
    """(the quiet pod's latency, what the bursts came to): half of what was asked for at least, else it was no hog."""
    least = 0 if way.quick else RATE * seconds / 2
    argv = ["requests", way.targets["across"], "--connections", BUSY, "--rate", RATE, "--burst", BURST,
            "--seconds", seconds + 2, "--warm-up", "0"]
    with ended(lab.popen("mesh/hog", BENCH, *argv, stdout=subprocess.PIPE)) as busy:
        way.step_back(busy)
        latency = quiet(lab, target, seconds)
        out, _ = busy.communicate(timeout=seconds + 60)
    answer = json.loads(out)
    if answer["failures"] or answer["answered_in_all"] == 0 or answer["requests"] < least:
        raise Failed(f"the hog itself: {answer}")
    return latency, answer


HOGS = {"hog": "a hog", "hog_bursts": "a hog that asks in bursts"}


def measure_hog(options):
    """p50 and p99 without and with each hog, in alternating runs; the ratio is taken within a round."""
    ways = [way for way in ("direct", "culvert") if way in options.ways]
    alone = {way: [] for way in ways}
    beside, told = ({hog: {way: [] for way in ways} for hog in HOGS} for _ in range(2))
    seconds = 1 if options.quick else 4
    with contextlib.ExitStack() as stack:
        labs = {way: stack.enter_context(Lab(f"hog-{way}", WORLD, mesh=way != "direct")) for way in ways}
        targets = {way: f"{lab.ip('mesh/far')}:{PORT}" for way, lab in labs.items()}
        for _ in range(options.rounds):
            for way, lab in labs.items():
                alone[way].append(quiet(lab, targets[way], seconds))
                for hog in HOGS:
                    latency, held = beside_hog(lab, targets[way], seconds, bursts=hog == "hog_bursts", quick_run=options.quick)
                    beside[hog][way].append(latency)
                    told[hog][way].append(held)
                    say(f"{hog}, {way}: p99 {alone[way][-1]['p99']:.0f} us alone, {latency['p99']:.0f} us beside it")
    return hog_rows(ways, alone, beside), told


def hog_rows(ways, alone, beside):
    rows = []
    for name in ("p50", "p99"):
        def of(runs):
            return {way: [one[name] for one in runs[way]] for way in ways}
        rows.append(row(f"hog_{name}_alone", f"{name} of a quiet pod", "us", of(alone)))
        for hog, words in HOGS.items():
            rows.append(row(f"{hog}_{name}", f"{name} of a quiet pod beside {words}", "us", of(beside[hog])))
            rows.append(row(f"{hog}_{name}_ratio", f"  {name}: beside {words} to alone", "", {
                way: [with_it[name] / without[name] for with_it, without in zip(beside[hog][way], alone[way])]
                for way in ways}))
    return rows
