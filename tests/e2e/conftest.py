"""Options and paths that all end-to-end folders share."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="run soaks at full length")


@pytest.fixture(scope="session")
def long_run(request):
    return request.config.getoption("--long")
