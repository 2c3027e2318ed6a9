"""`./dev demo` runs to its end, and its lines show what they are there to show."""
import os
import re
import subprocess

import pytest

from lab import ENV, REPO
from machine import remains

NAME = f"demo-{os.getpid()}"
SIGMAS_6 = 30  # of 100 requests of which each is one of two with equal chance
NEVER = 3  # of 100, where each fails with a chance of one in 2,048


@pytest.fixture(scope="module")
def said():
    done = subprocess.run(["/usr/bin/python3", REPO / "tools/demo/demo.py", "--lab", NAME], env=ENV, text=True, capture_output=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def one(said, pattern):
    """The line of which this is the end, once: its groups."""
    found = re.findall(f"^  {pattern}$", said, re.M)
    assert len(found) == 1, (pattern, said)
    return found[0]


def counts(text):
    """`v1 53 times, v2 47 times` as numbers."""
    return {what: int(count) for what, count in (part.split(" ")[:2] for part in text.split(", "))}


def test_the_policies_of_the_sample_hold_and_nothing_is_readable_on_the_wire(said):
    for client, host, end in (("shop/web", "catalog.shop", "answered by catalog"), ("shop/web", "stock.warehouse", "answered by stock"),
                              ("shop/catalog", "stock.warehouse", "refused: .*"), ("default/visitor", "catalog.shop", "refused: .*")):
        one(said, f"{client} -> http://{host}:8080   {end}")
    assert int(one(said, r"(\d+) packets between pods of the mesh to port 15008 \(HBONE: TLS 1.3\)")) > 0
    one(said, r'"secret-\w+", which pods of the mesh sent in this run, is in the capture 0 times')
    assert "plaintext" not in "".join(line for line in said.splitlines() if "packets between pods" in line)


def test_four_rules_about_http_are_shown_by_what_they_do(said):
    for who, got in (("jason", "v2"), ("jason, by cookie", "v2"), ("jane", "v1")):
        one(said, rf"rules/by-user.yaml: {who} +gets {got} 5 times")

    shares = counts(one(said, r"rules/weights-50-25-25.yaml: 100 requests: (.*)"))
    assert set(shares) == {"v1", "v2", "v3"} and sum(shares.values()) == 100 and abs(shares["v1"] - 50) <= SIGMAS_6, shares

    late, early = (one(said, rf"rules/delay.yaml: {who} +is answered 200 by {by} after (\S+) s") for who, by in (("jason", "v2"), ("jane", "v1")))
    assert float(late) >= 7 > float(early)

    once, again = (counts(one(said, rf"v2 fails half of the time, {how}: 100 requests: (.*)")) for how in ("tried once", "rules/retries.yaml"))
    assert sum(once.values()) == sum(again.values()) == 100
    assert abs(once["200"] - 50) <= SIGMAS_6 and 100 - again["200"] <= NEVER, (once, again)


def test_it_leaves_no_lab_behind(said):
    assert "Everything is taken down again" in said
    left = {lab: remains(lab) for lab in (NAME, f"{NAME}-plain", f"{NAME}-books")}
    assert not [kind for kinds in left.values() for kind in kinds if kind != "links"], left  # labs that others have up have links
