"""What the running kernel has, as `culvert-agent probe` tells it: for tests of what is done in an older way."""
import functools
import json
import subprocess

from lab import BUILD

AGENT = BUILD / "agent" / "culvert-agent"
ORDER, TCX = "cgroup order BPF_F_PREORDER", "tcx egress link"


@functools.cache
def features():
    """The rows of the probe, by their feature."""
    done = subprocess.run([AGENT, "probe", "-o", "json"], capture_output=True, text=True, check=True)
    return {row["feature"]: row for row in json.loads(done.stdout)["features"]}


def has(feature):
    return features()[feature]["there"]


def missing():
    """The rows of what Culvert does without here."""
    return [row for row in features().values() if not row["there"] and not row["required"]]
