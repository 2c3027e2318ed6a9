"""The harness' own modules, for its tests."""
import os
import pathlib
import sys

REPO = pathlib.Path(__file__).resolve().parents[3]
os.environ.setdefault("CULVERT_BIN_DIR", str(pathlib.Path(os.environ.get("CULVERT_BUILD", REPO / "build")) / "bin"))
sys.path.insert(0, str(REPO / "tools" / "bench"))
