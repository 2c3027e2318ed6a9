"""One lab for the folder: pods on two nodes, a policy that refuses, JSON access logs."""
import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from lab import Lab  # noqa: E402
from scrape import FLAGS, WORLD  # noqa: E402

LONG_ONLY = {"test_istioctl.py"}
RUN = os.getpid()  # two runs on one machine do not share labs


def pytest_ignore_collect(collection_path, config):
    return True if collection_path.name in LONG_ONLY and not config.getoption("--long") else None


@pytest.fixture(scope="session")
def lab():
    with Lab(f"observe-{RUN}", WORLD, flags=FLAGS) as lab:
        yield lab


@pytest.fixture(scope="session")
def sparse():
    """The same pods with labels left out, idle label sets that go soon, and only failures logged."""
    flags = ["--ztunnel-flag=--metrics-drop-labels=source_principal,destination_version,response_flags",
             "--ztunnel-flag=--metrics-idle-expiry=20", "--ztunnel-flag=--access-log-filter=errors"]
    with Lab(f"observe-sparse-{RUN}", WORLD, flags=[*FLAGS, *flags]) as lab:
        yield lab
