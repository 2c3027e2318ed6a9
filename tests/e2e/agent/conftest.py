"""Agent tests need root, cgroup2 and BPF; each test has a node of its own."""
import os

import pytest

from node import Node


@pytest.fixture
def node():
    assert os.geteuid() == 0, "run as root"
    n = Node()
    try:
        yield n
    finally:
        n.close()
