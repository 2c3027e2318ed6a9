"""With --long: every mistake of mutants.yaml, made in the compiler or matcher, fails at least one case."""
import pathlib

import judge
import mutants

LEAST = 50


def test_every_mutant_is_caught():
    tried, left = mutants.survivors(judge.program().parents[2])
    assert not left, "\n".join(one.name for one in left)
    assert len(tried) >= LEAST


def test_each_mutant_is_of_text_that_is_there():
    assert all(isinstance(one.text(), str) for one in mutants.mutants())
    assert pathlib.Path(mutants.SOURCES).is_dir()
