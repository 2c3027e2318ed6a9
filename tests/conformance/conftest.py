"""Options, paths and the lab that this folder's tests share."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import proof_lab  # noqa: E402


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="also the mutation run")


def pytest_ignore_collect(collection_path, config):
    """The mutation run takes minutes: with --long, or by its name."""
    asked = config.getoption("--long") or any("test_mutants" in str(one) for one in config.args)
    return True if collection_path.name == "test_mutants.py" and not asked else None


@pytest.fixture(scope="session")
def shop():
    """The lab of proof_lab.py, for all files that use it."""
    with proof_lab.made() as lab:
        yield lab


@pytest.fixture(params=[4, 6])
def family(request):
    """Of the address that clients use."""
    return request.param
