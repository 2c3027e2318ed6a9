"""What people are told of their VirtualServices: misprints by `culvert lab apply`, and what each of several on one host gives."""
import json
import os
import re

import pytest

from flows import control_status
from lab import Lab, culvert, wait_until
from test_lab_waypoints import WORLD

HOST = "web.shop.svc.cluster.local"


@pytest.fixture(scope="module")
def lab():
    with Lab(f"told-rules-{os.getpid()}", WORLD) as made:
        culvert("waypoint", "apply", "--name", made.name, "-n", "shop", "--enroll-namespace")
        yield made


def status(lab, path, family=4, *flags):
    done = lab.exec("shop/client", "curl", "-sS", f"-{family}", "--max-time", "60", "-o", "/dev/null", "-w", "%{http_code}", *flags,
                    f"http://web:8080{path}")
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def conditions(lab):
    """Of all VirtualServices, by name: (reason, message), as control has them."""
    return {c["name"]: (c["reason"], c["message"]) for c in control_status(lab)["conditions"] if c["kind"] == "VirtualService"}


GOOD = """apiVersion: networking.istio.io/v1alpha3
kind: VirtualService
metadata:
  name: reviews
  namespace: shop
spec:
  hosts:
  - web
  http:
  - match:
    - headers:
        user-agent:
          regex: '^(.*?;)?(iPhone)(;.*)?$'
    directResponse:
      status: 418
  - route:
    - destination:
        host: web
"""
# What slides and blogs have instead: its line and column, what is told of it, and what is suggested.
MISPRINTS = {
    "a letter for a digit": ("networking.istio.io/v1alpha3", "networking.istio.io/vlalpha3", "1:13",
                             'apiVersion: VirtualService has no version "networking.istio.io/vlalpha3"', "networking.istio.io/v1alpha3"),
    "a string for a list": ("hosts:\n  - web\n", "hosts: web\n", "7:10",
                            "VirtualService shop/reviews: spec.hosts: expected a list, got a string", "[web]"),
    "a route in its list": ("        host: web\n", "        host: web\n    - route:\n      - destination:\n          host: web\n", "19:7",
                            "VirtualService shop/reviews: spec.http[1].route[1].route: unknown field", "spec.http[].route"),
    "a turned expression": ("^(.*?;)?", "^(.?*;)?", "13:11",
                            'VirtualService shop/reviews: spec.http[0].match[0].headers["user-agent"].regex: is not a regular expression (RE2): '
                            "bad repetition operator: ?*", "^(.*?;)?(iPhone)(;.*)?$"),
}


@pytest.mark.parametrize("misprint", MISPRINTS)
def test_a_misprint_is_told_with_its_place_and_a_suggestion_and_what_was_there_stays(lab, misprint):
    right, wrong, place, told, suggestion = MISPRINTS[misprint]
    path = lab.path(GOOD)
    lab.apply(path)
    try:
        assert status(lab, "/", 4, "-A", "a;iPhone;b") == 418 and status(lab, "/", 6) == 200
        path.write_text(GOOD.replace(right, wrong, 1))
        done = lab.apply(path, check=False)
        line = f'{path}:{place}: {told} (did you mean "{suggestion}"?)'
        assert done.returncode != 0 and line in done.stderr.replace("culvert: ", "").splitlines(), done.stderr
        if told.startswith("VirtualService"):  # else the command itself has refused the file, and control has not seen it
            assert line in culvert("status", "--name", lab.name, check=False).stdout.replace("\n  ", "\n").splitlines()
            assert unmet(lab)["reviews"][:2] == ("Accepted", "LastGoodInForce"), unmet(lab)
        for family in (4, 6):
            assert status(lab, "/", family, "-A", "a;iPhone;b") == 418 and status(lab, "/", family) == 200
        path.write_text(GOOD.replace("418", "410"))
        lab.apply(path)
        assert status(lab, "/", 4, "-A", "a;iPhone;b") == 410
    finally:
        path.write_text(GOOD)
        lab.delete("-f", path)
    assert control_status(lab)["diagnostics"] == [] and conditions(lab) == {}


def rules(name, created, *answers):
    """A VirtualService for web; `answers` are the statuses that it says by prefix, "" for every request."""
    http = [{**({"match": [{"uri": {"prefix": prefix}}]} if prefix else {}), "directResponse": {"status": said}} for prefix, said in answers]
    return json.dumps({"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "spec": {"hosts": ["web"], "http": http},
                       "metadata": {"name": name, "namespace": "shop", "creationTimestamp": f"{created}-01-01T00:00:00Z"}})


def order(lab):
    """As `culvert routes` has it, in JSON and in words: the rules in the order in which they are asked, those behind one that takes all, too."""
    host, = json.loads(culvert("routes", "web", "--name", lab.name, "-o", "json").stdout)
    assert host["host"] == HOST and host["gateway"] == "mesh"
    asked = [(one["virtual_service"], one["match"]) for one in host["rules"]]
    words = culvert("routes", "web", "--name", lab.name).stdout
    assert re.findall(r"^     (shop/\S+) http\[", words, re.M) == [name for name, _ in asked], words
    return asked


def answers(lab, *paths):
    """What is answered at each path, the same over both families."""
    by_family = [[status(lab, path, family) for path in paths] for family in (4, 6)]
    assert by_family[0] == by_family[1]
    return by_family[0]


def unmet(lab):
    """What `culvert lab status` lists: conditions that do not hold."""
    return {c["name"]: (c["type"], c["reason"], c["message"]) for c in lab.status()["conditions"] if c["kind"] == "VirtualService"}


def test_several_objects_of_one_host_are_asked_older_first_then_by_name_and_each_is_told_what_it_gives(lab):
    mine, both, rest = 'uri prefix "/%s"', 'uri prefix "/both"', "every request"
    zoe = rules("zoe", 2020, ("/zoe", 410), ("/both", 411), ("", 412))
    bob, eve = (rules(name, 2021, (f"/{name}", said), ("/both", said + 1), ("", said + 2)) for name, said in (("bob", 420), ("eve", 430)))
    at = f"for {HOST} at mesh"
    try:
        # Files as they come: neither their order nor that of the names makes a rule of the eldest stand behind.
        for one in (eve, bob, zoe):
            lab.apply(one)
        # What takes every request is asked behind all that do not, whosever it is.
        assert order(lab) == [("shop/zoe", mine % "zoe"), ("shop/zoe", both), ("shop/bob", mine % "bob"), ("shop/bob", both),
                              ("shop/eve", mine % "eve"), ("shop/eve", both), ("shop/zoe", rest), ("shop/bob", rest), ("shop/eve", rest)]
        assert answers(lab, "/zoe", "/bob", "/eve", "/both", "/") == [410, 420, 430, 411, 412]
        hidden = "the others stand behind shop/zoe, which takes every request"
        assert conditions(lab) == {"zoe": ("InForce", f"3 of 3 matches {at}"), "bob": ("InForce", f"2 of 3 matches {at}; {hidden}"),
                                   "eve": ("InForce", f"2 of 3 matches {at}; {hidden}")}
        assert unmet(lab) == {}
        # As young as the others: by name.
        lab.apply(zoe.replace("2020", "2021"))
        assert [name for name, match in order(lab) if match == both] == ["shop/bob", "shop/eve", "shop/zoe"]
        assert answers(lab, "/zoe", "/both", "/") == [410, 421, 422]
        assert conditions(lab)["bob"] == ("InForce", f"3 of 3 matches {at}")
        # One of whose rules none is ever reached.
        lab.apply(rules("eve", 2022, ("", 431)))
        hidden = hidden.replace("zoe", "bob")
        assert conditions(lab)["eve"] == ("NotInForce", f"0 of 1 matches {at}; {hidden}")
        assert unmet(lab) == {"eve": ("WaypointAccepted", "NotInForce", f"0 of 1 matches {at}; {hidden}")}
        assert order(lab)[-1] == ("shop/eve", rest)
        # And once nobody stands before it.
        lab.delete("VirtualService", "shop/bob")
        lab.delete("VirtualService", "shop/zoe")
        assert conditions(lab) == {"eve": ("InForce", f"1 of 1 matches {at}")} and unmet(lab) == {}
        wait_until(lambda: answers(lab, "/both", "/") == [431, 431], "the last one's answer")
    finally:
        for name in ("zoe", "bob", "eve"):
            lab.delete("VirtualService", f"shop/{name}", check=False)
