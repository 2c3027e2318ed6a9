"""The sources are as clang-format leaves them."""
import subprocess

import tree


def test_the_sources_are_formatted():
    done = subprocess.run(["clang-format-19", "--dry-run", "-Werror", *tree.with_suffix(*tree.CODE)], cwd=tree.ROOT,
                          text=True, capture_output=True)
    wrong = sorted({line.split(":")[0] for line in done.stderr.splitlines() if "-Wclang-format-violations" in line})
    assert done.returncode == 0 and not wrong, tree.report(["run ./dev fmt; these differ:", *wrong])
