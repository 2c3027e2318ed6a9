"""Options and paths of this folder's tests."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="also the mutation run")


def pytest_ignore_collect(collection_path, config):
    """The mutation run takes minutes: with --long, or by its name."""
    asked = config.getoption("--long") or any("test_mutants" in str(one) for one in config.args)
    return True if collection_path.name == "test_mutants.py" and not asked else None
