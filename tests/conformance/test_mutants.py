"""With --long: every mistake of mutants.yaml, made in the compiler or matcher, fails at least one case."""
import judge
import mutants

LEAST = 50


def test_every_mutant_is_caught():
    tried, left = mutants.survivors(judge.program().parents[2])
    assert not left, "\n".join(one.name for one in left)
    assert len(tried) >= LEAST
