"""Options and paths of this folder's tests."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="also the mutation run")
