"""The tables before a real waypoint in a lab, over both address families."""
import os

import pytest

import outside
import waypoint_lab
from waypoint_lab import watched

LEAST_SHOWN = 475  # cases of which the waypoint shows what they are about


@pytest.fixture(scope="module")
def lab():
    with waypoint_lab.Lab(f"conf-{os.getpid()}", waypoint_lab.world(), flags=watched.FLAGS) as made:
        yield made


@pytest.mark.parametrize("family", [4, 6])
def test_a_waypoint_does_what_the_tables_expect(lab, family):
    answers = waypoint_lab.answers(lab, family)
    faults = [f"{case.name}: {one}" for case, result in answers for one in outside.differences(case, result)]
    assert not faults, "\n".join(faults)
    assert sum(watched.shown(case) for case, _ in answers) >= LEAST_SHOWN
