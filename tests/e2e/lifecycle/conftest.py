"""Programs compiled once a session."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "identity"))

from lab import APPS  # noqa: E402

RUN = os.getpid()  # two runs on one machine do not share labs


@pytest.fixture(scope="session")
def programs():
    """{name: path} of the compiled apps/flood.c and apps/steady.c."""
    with tempfile.TemporaryDirectory(prefix="culvert-e2e-") as folder:
        paths = {name: pathlib.Path(folder) / name for name in ("flood", "steady")}
        compiler = shutil.which("clang-19") or "cc"
        for name, path in paths.items():
            subprocess.run([compiler, "-O2", "-o", str(path), str(APPS / f"{name}.c")], check=True)
        yield paths
