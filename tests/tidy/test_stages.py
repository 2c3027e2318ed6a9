"""`./dev test --only STAGE` builds no tree that the stage does not run."""
import importlib.machinery
import importlib.util
import re

import tree

WITH_SANITIZERS = {"fuzz", "sanitizers", "threads"}


def test_stages_without_sanitizers_build_no_sanitized_tree():
    path = str(tree.ROOT / "tests" / "run")
    loader = importlib.machinery.SourceFileLoader("stages", path)
    runner = importlib.util.module_from_spec(importlib.util.spec_from_loader("stages", loader))
    loader.exec_module(runner)
    text = (tree.ROOT / "dev").read_text()
    plain = next(line for line in text.splitlines() if '*" --only unit "*' in line)
    assert plain.rstrip().endswith(";;")
    assert set(re.findall(r'" --only ([\w.-]+) "', plain)) == set(runner.STAGES) - WITH_SANITIZERS
