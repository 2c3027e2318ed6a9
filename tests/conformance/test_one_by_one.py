"""The tables' groups that stand alone, one after the other at real waypoints and an edge, over both address families."""
import os

import pytest

import one_by_one
import outside
from waypoint_lab import watched

LEAST_SHOWN = 72  # cases of which the waypoint or the edge shows what they are about
GROUPS = one_by_one.groups()


@pytest.fixture(scope="module")
def lab():
    with one_by_one.made(f"conf-one-{os.getpid()}") as made:
        yield made


@pytest.mark.parametrize("group, cases", GROUPS, ids=[group.name for group, _ in GROUPS])
def test_a_waypoint_or_an_edge_does_what_a_group_that_stands_alone_expects(lab, group, cases):
    faults = [f"{case.name}: {one}" for case, result in lab.answers(group, cases) for one in outside.differences(case, result)]
    assert not faults, "\n".join(faults)


def test_enough_cases_show_what_they_are_about():
    assert sum(watched.shown(case) for _, cases in GROUPS for case in cases) >= LEAST_SHOWN
