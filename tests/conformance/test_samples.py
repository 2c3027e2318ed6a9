"""The sample application behind its waypoint: each rule does what manifests/samples/books/README.md says."""
import json
import os
import pathlib

import pytest

from waypoint_lab import HERE, Lab

BOOKS = pathlib.Path(__file__).resolve().parents[2] / "manifests" / "samples" / "books"
JASON = [["end-user", "jason"]]


@pytest.fixture(scope="module")
def lab():
    with Lab(f"conf-books-{os.getpid()}", BOOKS / "app.yaml") as made:
        yield made


def rule(lab, name):
    lab.apply(BOOKS / "rules" / f"{name}.yaml")


def ask(lab, count=1, headers=(), host="reviews", at_once=1):
    one = {"to": [host, 8080], "method": "GET", "path": "/books/1", "authority": host, "headers": list(headers)}
    done = lab.exec("books/user", "/usr/bin/python3", HERE / "ask.py", "--at-once", at_once, timeout=170, check=True,
                    input=json.dumps([one] * count))
    return json.loads(done.stdout)


def behave(lab, pod, *how):
    lab.exec(f"books/{pod}", "/usr/bin/python3", BOOKS / "server.py", "behave", *how, check=True)


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


def test_faults_for_one_user(lab):
    rule(lab, "abort")
    assert statuses(ask(lab, 3, JASON)) == {500} and statuses(ask(lab, 3)) == {200}
    rule(lab, "delay")
    assert 7 <= ask(lab, 1, JASON)[0]["seconds"] < 15 and ask(lab)[0]["seconds"] < 7


def test_half_a_second_for_a_slow_version(lab):
    rule(lab, "timeout")
    behave(lab, "reviews-v2", "--wait", "3")
    slow, = ask(lab)
    assert slow["status"] == 504 and slow["seconds"] < 3
    behave(lab, "reviews-v2")
    assert statuses(ask(lab)) == {200}


def test_retries_hide_failures_and_a_failing_pod_is_left_out(lab):
    behave(lab, "reviews-v2", "--fail", "0.5")
    rule(lab, "timeout")  # to v2 without retries on 5xx
    assert statuses(ask(lab, 60)) == {200, 500}
    rule(lab, "retries")
    assert sum(one["status"] != 200 for one in ask(lab, 60)) <= 1  # one in 2,048 by chance
    behave(lab, "reviews-v2")
    behave(lab, "reviews-v3", "--fail", "1")
    rule(lab, "ejection")
    ask(lab, 40)
    assert versions(ask(lab, 10)) == {"v1", "v2"}
    behave(lab, "reviews-v3")
