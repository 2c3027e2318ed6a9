"""The same requests to Envoy, set up by hand: what the tables expect is what Envoy does."""
import pytest

import envoy
import outside

LEAST_CASES = 280


@pytest.fixture(scope="module")
def answers():
    with envoy.Envoy() as running:
        return running.answers()


def test_envoy_answers_as_the_tables_expect(answers):
    faults = [f"{case.name}: {one}" for case, result in answers if "differs" not in case.given
              for one in outside.differences(case, result)]
    assert not faults, "\n".join(faults)
    assert len(answers) >= LEAST_CASES


def test_where_we_differ_from_envoy_we_really_do(answers):
    same = [case.name for case, result in answers if "differs" in case.given and not outside.differences(case, result)]
    assert not same, f"Envoy does it too: {same}"
