"""The sample application behind its waypoint: each rule does what manifests/samples/books/README.md says."""
import collections
import contextlib
import json
import os
import pathlib

import pytest

from chance import drawn
from waypoint_lab import HERE, Lab, wait_until

BOOKS = pathlib.Path(__file__).resolve().parents[2] / "manifests" / "samples" / "books"
JASON = [["end-user", "jason"]]
MANY = 1000


@pytest.fixture(scope="module")
def lab():
    with Lab(f"conf-books-{os.getpid()}", BOOKS / "app.yaml") as made:
        yield made


def rule(lab, name):
    lab.apply(BOOKS / "rules" / f"{name}.yaml")


def ask(lab, count=1, headers=(), host="reviews", at_once=1):
    one = {"to": [host, 8080], "method": "GET", "path": "/books/1", "authority": host, "headers": list(headers)}
    done = lab.exec("books/user", "/usr/bin/python3", HERE / "ask.py", "--at-once", at_once, timeout=600, check=True,
                    input=json.dumps([one] * count))
    return json.loads(done.stdout)


def behave(lab, pod, *how):
    lab.exec(f"books/{pod}", "/usr/bin/python3", BOOKS / "server.py", "behave", *how, check=True)


@contextlib.contextmanager
def behaving(lab, pods, *how):
    for one in pods:
        behave(lab, one, *how)
    try:
        yield
    finally:
        for one in pods:
            behave(lab, one)


def asked(lab, pod):
    """How often the pod was asked, questions like this one among them."""
    return json.loads(lab.exec(f"books/{pod}", "curl", "-sS", "http://localhost:8080/asked", check=True).stdout)["asked"]


def versions(answers):
    return {json.loads(one["body"])["version"] for one in answers}


def statuses(answers):
    return {one["status"] for one in answers}


def test_the_front_page_says_who_answered(lab):
    rule(lab, "all-to-v1")
    page = json.loads(ask(lab, host="front")[0]["body"])
    assert page["details"]["service"] == "details" and page["reviews"]["version"] == "v1"


def test_by_user_holds_for_the_page_too(lab):
    rule(lab, "by-user")
    assert versions(ask(lab, 3, JASON)) == {"v2"} and versions(ask(lab, 3)) == {"v1"}
    page = json.loads(ask(lab, 1, [["cookie", "a=b; user=jason"]], host="front")[0]["body"])
    assert page["reviews"]["version"] == "v2"


@pytest.mark.parametrize("name, shares", [("weights-90-10", {"v1": 90, "v2": 10}),
                                          ("weights-50-25-25", {"v1": 50, "v2": 25, "v3": 25})])
def test_weights(lab, name, shares):
    rule(lab, name)
    drawn(lambda: collections.Counter(json.loads(one["body"])["version"] for one in ask(lab, MANY, at_once=8)),
          {version: share / 100 for version, share in shares.items()})


def test_a_mirror_gets_every_request_and_answers_nobody(lab):
    rule(lab, "mirror")
    before = asked(lab, "reviews-v2")
    with behaving(lab, ["reviews-v2"], "--fail", "1"):
        assert versions(ask(lab, 50)) == {"v1"}
        wait_until(lambda: copies(lab) >= 50, "all copies")
    assert asked(lab, "reviews-v2") > before


def copies(lab):
    return sum(one.get("host") == "reviews-shadow" for one in lab.log_lines("books/reviews-v2"))


def test_one_connection_and_one_that_waits_the_others_are_told_at_once(lab):
    rule(lab, "breaker")
    with behaving(lab, ["reviews-v1", "reviews-v2", "reviews-v3"], "--wait", "3"):
        answers = ask(lab, 8, at_once=8)
    told = [one for one in answers if one["status"] == 503]
    assert statuses(answers) == {200, 503} and len(told) >= 3
    assert all(dict(one["headers"])["x-envoy-overloaded"] == "true" for one in told)


def test_faults_for_one_user(lab):
    rule(lab, "abort")
    before = asked(lab, "reviews-v2")
    assert statuses(ask(lab, 3, JASON)) == {500} and statuses(ask(lab, 3)) == {200}
    assert asked(lab, "reviews-v2") == before + 1, "only the question before"
    rule(lab, "delay")
    assert 7 <= ask(lab, 1, JASON)[0]["seconds"] < 30 and ask(lab)[0]["seconds"] < 7


def test_half_a_second_for_a_slow_version(lab):
    rule(lab, "timeout")
    with behaving(lab, ["reviews-v2"], "--wait", "8"):
        slow, = ask(lab)
        assert slow["status"] == 504 and slow["seconds"] < 8
    wait_until(lambda: statuses(ask(lab)) == {200}, "an answer in half a second")


def test_retries_hide_failures_and_a_failing_pod_is_left_out(lab):
    behave(lab, "reviews-v2", "--fail", "0.5")
    # To v2 without retries on 5xx, and with more time than a busy machine takes.
    lab.apply((BOOKS / "rules" / "timeout.yaml").read_text().replace("timeout: 0.5s", "timeout: 10s"))
    assert statuses(ask(lab, 60)) == {200, 500}
    rule(lab, "retries")
    assert sum(one["status"] != 200 for one in ask(lab, 60)) <= 3  # one in 2,048 by chance
    behave(lab, "reviews-v2")
    behave(lab, "reviews-v3", "--fail", "1")
    rule(lab, "ejection")
    ask(lab, 40)
    assert versions(ask(lab, 10)) == {"v1", "v2"}
    behave(lab, "reviews-v3")
