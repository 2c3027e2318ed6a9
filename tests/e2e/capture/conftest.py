"""Capture tests need root, cgroup2 and BPF; each test has a world of its own."""
import os

import pytest

from world import World


@pytest.fixture
def world():
    assert os.geteuid() == 0, "run as root"
    w = World()
    try:
        w.make()
        yield w
    finally:
        w.close()
