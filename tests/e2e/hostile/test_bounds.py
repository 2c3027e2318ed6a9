"""Bounds of the process itself: what it is told is within them, and what the kernel keeps for it."""
import re
import subprocess

import pytest
from lab import BUILD, REPO

WAYPOINT = BUILD / "bin" / "culvert-waypoint"


def bound(name):
    """An integer constant of waypoint/settings.hpp."""
    text = (REPO / "waypoint/settings.hpp").read_text()
    value = re.search(rf" {name} = ([^;]+);", text)[1].replace("'", "")
    assert re.fullmatch(r"[\d *]+", value), value
    return eval(value)  # digits and asterisks


def test_more_than_the_bound_is_refused_at_start():
    most = bound("kMaxWorkers")
    done = subprocess.run([WAYPOINT, "--workers", str(most + 1)], text=True, capture_output=True, timeout=20)
    assert done.returncode != 0 and f"--workers: Value {most + 1} not in range" in done.stdout + done.stderr, done


@pytest.mark.parametrize("pod,port", [("front/edge", 8000), ("shop/waypoint-1", 15008)])
def test_connections_that_wait_to_be_accepted_are_bounded(lab, pod, port):
    said = lab.exec(pod, "ss", "-ltnH").stdout
    queues = [line.split()[2] for line in said.splitlines() if line.split()[3].endswith(f":{port}")]
    assert queues and set(queues) == {str(bound("kListenBacklog"))}, said
