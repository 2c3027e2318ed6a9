"""Three labs for the whole folder: `joined` (same-node join), `encrypted` (same-node encrypt), `plain`."""
import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from lab import Lab  # noqa: E402
from town import WORLD, ZTUNNEL_FLAGS  # noqa: E402

RUN = os.getpid()  # two runs on one machine do not share labs


@pytest.fixture(scope="session")
def joined():
    with Lab(f"traffic-join-{RUN}", WORLD, flags=ZTUNNEL_FLAGS) as lab:
        yield lab


@pytest.fixture(scope="session")
def encrypted():
    with Lab(f"traffic-encrypt-{RUN}", WORLD, flags=[*ZTUNNEL_FLAGS, "--ztunnel-flag=--same-node=encrypt"]) as lab:
        yield lab


@pytest.fixture(scope="session")
def plain():
    with Lab(f"traffic-plain-{RUN}", WORLD, mesh=False) as lab:
        yield lab


# The ways from town/client to a server, each with the lab that has it and the server's pod.
WAYS = {"joined": ("joined", "town/near"), "encrypted": ("encrypted", "town/near"),
        "across": ("joined", "town/far")}


@pytest.fixture(params=WAYS)
def way(request):
    """(lab, server pod) for each way between two pods of the mesh."""
    fixture, server = WAYS[request.param]
    return request.getfixturevalue(fixture), server


@pytest.fixture(params=[4, 6], ids=["v4", "v6"])
def family(request):
    return request.param
