"""The load program, compiled once a session, and a lab a file."""
import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest

from lab import APPS, Lab
from survival_mesh import manifest


@pytest.fixture(scope="session")
def flood():
    """Path of the compiled apps/flood.c."""
    with tempfile.TemporaryDirectory(prefix="culvert-e2e-") as folder:
        path = pathlib.Path(folder) / "flood"
        compiler = shutil.which("clang-19") or "cc"
        subprocess.run([compiler, "-O2", "-o", str(path), str(APPS / "flood.c")], check=True)
        yield path


@pytest.fixture(scope="module")
def mesh(flood):
    with Lab(f"e2e-survival-{os.getpid()}", manifest(flood)) as lab:
        yield lab
