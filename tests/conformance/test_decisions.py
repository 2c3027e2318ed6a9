"""Every case of the tables, answered by the compiler and matcher alone."""
import collections

import pytest

import judge
import tables

LEAST_CASES = 250


@pytest.fixture(scope="module")
def results():
    return dict(zip([g.name for g in tables.groups()], judge.decide([judge.asked(g) for g in tables.groups()]),
                    strict=True))


@pytest.mark.parametrize("group", tables.groups(), ids=lambda g: g.name)
def test_requests_are_decided_as_the_table_says(group, results):
    faults = judge.faults_of(group, results[group.name])
    assert not faults, f"{group.about}\n" + "\n".join(faults)


def test_there_are_at_least_250_cases():
    print(collections.Counter(case.group.subject for case in tables.cases()))
    assert tables.count() >= LEAST_CASES


def test_a_wrong_expectation_is_found(results):
    """Each kind of expectation, turned into another one, is told."""
    wrong = {"to": "v9", "rule": "nobody", "status": 299, "flag": "XX", "path": "/nowhere", "host": "nobody",
             "location": "nowhere", "body": "nobody", "mirrored": ["v9"], "delay": "9s", "abort": "http 299",
             "timeout": "9s", "statPrefix": "nobody", "labels": {"nobody": "x"}, "why": "nobody knows"}
    for group in tables.groups():
        if group.refused or group.proxies:
            continue
        for case, answer in zip(group.cases, results[group.name]["answers"], strict=True):
            if "shares" in case.given:
                continue
            for key in set(wrong) & set(case.given):
                bent = tables.Case(group, case.number, {**case.given, key: wrong[key]})
                assert judge.differences(bent, answer), f"{case.name}: {key}"
