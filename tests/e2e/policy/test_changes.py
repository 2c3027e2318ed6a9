"""Policies change while everything runs; objects with mistakes keep their last good state, and say so."""
import os
import pathlib
import re

import pytest
from flows import NODES, Mesh, client_pod, meshed, server_pod
from lab import Lab, culvert, wait_until
from objects import authorization, operation, peer_authentication, source

CLIENTS = ("shop/near", "shop/far", "bank/teller", "default/outside")
PODS = (NODES + meshed("shop", "bank") + server_pod("shop", "web", "east", labels="{app: web}") +
        client_pod("shop", "near", "east") + client_pod("shop", "far", "west") +
        client_pod("bank", "teller", "west") + client_pod("default", "outside", "west"))


@pytest.fixture(scope="module")
def mesh():
    with Lab(f"e2e-change-{os.getpid()}", PODS) as lab:
        mesh = Mesh(lab, CLIENTS)
        yield mesh
        mesh.close()


def condition(mesh, kind, name):
    return next(c for c in mesh.control_status()["conditions"] if (c["kind"], c["name"]) == (kind, name))


def processes(mesh):
    status = mesh.lab.status()
    return {p["id"]: (p["pid"], p["restarts"]) for p in status["components"] +
            [process for pod in status["pods"] for process in pod["processes"]]}


def sort_out(mesh, let_through, policy=None, port=8080):
    mesh.sorted_out(CLIENTS, let_through, "shop/web", port, policy=policy)


def test_a_change_is_in_force_when_apply_returns_and_nothing_is_restarted(mesh):
    before = processes(mesh)
    path = mesh.lab.path("")
    try:
        for matched, field in ((("shop/near", "shop/far"), {"namespaces": ["shop"]}),
                               (("bank/teller",), {"principals": ["*/sa/teller"]}),
                               (CLIENTS[:3], {"principals": ["*"]})) * 10:
            path.write_text(authorization("shop", "door", "ALLOW", source(**field)))
            mesh.lab.apply(path)
            sort_out(mesh, matched, "shop/door")
    finally:
        mesh.lab.delete("-f", path)
    sort_out(mesh, CLIENTS)
    assert processes(mesh) == before


def test_http_fields_in_allow_make_their_rule_match_nothing(mesh):
    rules = operation(methods=["GET"], ports=["8080"]) + source(namespaces=["bank"])
    with mesh.with_objects(authorization("shop", "http", "ALLOW", rules)):
        sort_out(mesh, ("bank/teller",), "shop/http")
        told = condition(mesh, "AuthorizationPolicy", "http")
        assert (told["type"], told["status"], told["reason"]) == ("ZtunnelAccepted", False, "UnsupportedFields")
        assert "spec.rules[0].to[0].operation.methods" in told["message"] and "match nothing" in told["message"]


@pytest.mark.parametrize("field", [{"hosts": ["a.example"]}, {"notHosts": ["a.example"]}, {"methods": ["GET"]},
                                   {"notMethods": ["GET"]}, {"paths": ["/a*"]}, {"notPaths": ["/a"]}], ids=str)
def test_each_http_field_of_an_operation_fails_safe(mesh, field):
    with mesh.with_objects(authorization("shop", "http", "ALLOW", operation(**field))):
        sort_out(mesh, (), "shop/http")
    with mesh.with_objects(authorization("shop", "http", "DENY", operation(ports=["8080"], **field))):
        sort_out(mesh, (), "shop/http", port=8080)
        sort_out(mesh, CLIENTS, port=9090)
        assert next(iter(field)) in condition(mesh, "AuthorizationPolicy", "http")["message"]


@pytest.mark.parametrize("part", [{"from": [{"source": {"namespaces": ["bank"], "requestPrincipals": ["*"]}}]},
                                  {"from": [{"source": {"namespaces": ["bank"], "remoteIpBlocks": ["10.0.0.0/8"]}}]},
                                  {"from": [{"source": {"namespaces": ["bank"]}}],
                                   "when": [{"key": "request.headers[x]", "values": ["y"]}]}], ids=str)
def test_http_fields_in_deny_drop_out_so_that_it_matches_wider(mesh, part):
    with mesh.with_objects(authorization("shop", "http", "DENY", [part])):
        sort_out(mesh, set(CLIENTS) - {"bank/teller"}, "shop/http")
    with mesh.with_objects(authorization("shop", "http", "ALLOW", [part])):
        sort_out(mesh, (), "shop/http")


def test_status_tells_what_is_not_enforced_as_written(mesh):
    with mesh.with_objects(authorization("shop", "http", "DENY", operation(paths=["/admin"])),
                           authorization("shop", "fine", "DENY", operation(ports=["1"]))):
        said = culvert("status", "--name", mesh.lab.name).stdout
        assert "AuthorizationPolicy shop/http" in said and "spec.rules[0].to[0].operation.paths" in said
        assert "shop/fine" not in said
        told = mesh.lab.status()["conditions"]
        assert [(c["name"], c["reason"]) for c in told] == [("http", "UnsupportedFields")]
    assert "shop/http" not in culvert("status", "--name", mesh.lab.name).stdout


GOOD = """apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: door, namespace: shop}
spec:
  action: DENY
  rules:
  - from:
    - source:
        namespaces: [bank]
"""
# What is written instead of the good object, and where and how its mistake is told.
MISTAKES = [
    ("namespaces:", "namespace:", r":9:9: AuthorizationPolicy shop/door: spec.rules\[0\].from\[0\].source.namespace: "
     r'unknown field \(did you mean "namespaces"\?\)'),
    ("action: DENY", "action: DENNY", r':5:11: AuthorizationPolicy shop/door: spec.action: .*"DENY"'),
    ("[bank]", "bank", r":9:21: AuthorizationPolicy shop/door: spec.rules\[0\].from\[0\].source.namespaces: .*list"),
    ("[bank]", "{bank: 1}", r":9:21: AuthorizationPolicy shop/door: .*namespaces"),
    ("namespaces: [bank]", "ipBlocks: [10.0.0.300]", r":9:20: AuthorizationPolicy shop/door: .*ipBlocks\[0\]"),
    ("spec:\n", "spec:\n  action: ALLOW\n", r":6:3: AuthorizationPolicy shop/door: duplicate key \"action\", first on line 5"),
]


@pytest.mark.parametrize("right, wrong, told", MISTAKES, ids=[m[1] for m in MISTAKES])
def test_a_mistake_keeps_the_last_good_state_and_is_told_with_its_place(mesh, right, wrong, told):
    with mesh.with_objects(GOOD):
        sort_out(mesh, set(CLIENTS) - {"bank/teller"}, "shop/door")
        path = mesh.lab.path(GOOD.replace(right, wrong, 1))
        done = mesh.lab.apply(path, check=False)
        assert done.returncode != 0 and re.search(re.escape(str(path)) + told, done.stderr), done.stderr
        assert re.search(told, culvert("status", "--name", mesh.lab.name, check=False).stdout)
        sort_out(mesh, set(CLIENTS) - {"bank/teller"}, "shop/door")
        refused = condition(mesh, "AuthorizationPolicy", "door")
        assert refused["status"] is False and "last good state" in refused["message"]
        path.write_text(GOOD.replace("[bank]", "[shop]"))
        mesh.lab.apply(path)
        sort_out(mesh, ("bank/teller", "default/outside"), "shop/door")
    assert mesh.control_status()["diagnostics"] == []


def test_an_object_that_never_was_good_is_refused_and_the_rest_of_its_file_holds(mesh):
    bad = GOOD.replace("name: door", "name: other").replace("namespaces", "namespace")
    other = authorization("shop", "third", "DENY", source(principals=["*/sa/near"]))
    path = mesh.lab.path("---\n".join([GOOD, bad, other]))
    try:
        done = mesh.lab.apply(path, check=False)
        assert done.returncode != 0 and "AuthorizationPolicy shop/other" in done.stderr
        mesh.refused("bank/teller", "shop/web", 8080, policy="shop/door")
        mesh.refused("shop/near", "shop/web", 8080, policy="shop/third")
        mesh.answered("shop/far", "shop/web", 8080)
        refused = condition(mesh, "AuthorizationPolicy", "other")
        assert refused["status"] is False and "never had a good state" in refused["message"]
    finally:
        mesh.lab.delete("-f", path)
    sort_out(mesh, CLIENTS)


def test_text_that_is_no_yaml_leaves_what_its_file_last_held(mesh):
    with mesh.with_objects(GOOD):
        folder = pathlib.Path("/run/culvert/lab", mesh.lab.name, "config")
        file = next(f for f in folder.iterdir() if "name: door" in f.read_text())
        good = file.read_text()
        file.write_text(good.replace("[bank]", "[bank"))
        def told():
            return [d for d in mesh.control_status()["diagnostics"] if d["file"] == file.name]
        found = wait_until(told, "the mistake in control's status")
        assert found[0]["line"] >= 9 and found[0]["severity"] == "error"
        sort_out(mesh, set(CLIENTS) - {"bank/teller"}, "shop/door")
        file.write_text(good.replace("[bank]", "[shop]"))
        wait_until(lambda: not told(), "the correction")
        wait_until(lambda: mesh.flow("shop/far", "shop/web", 8080)["outcome"] == "reset", "the corrected policy")
        sort_out(mesh, ("bank/teller", "default/outside"), "shop/door")


def test_apply_refuses_text_that_is_no_yaml_and_changes_nothing(mesh):
    with mesh.with_objects(GOOD):
        path = mesh.lab.path(GOOD.replace("[bank]", "[shop"))
        done = mesh.lab.apply(path, check=False)
        assert done.returncode != 0 and re.search(re.escape(str(path)) + r":\d+:\d+: ", done.stderr), done.stderr
        sort_out(mesh, set(CLIENTS) - {"bank/teller"}, "shop/door")


def test_a_mistake_in_a_peer_authentication_keeps_strict_strict(mesh):
    strict = peer_authentication("shop", "STRICT")
    with mesh.with_objects(strict):
        done = mesh.lab.apply(strict.replace("STRICT", "STRIKT"), check=False)
        assert done.returncode != 0 and 'did you mean "STRICT"' in done.stderr, done.stderr
        sort_out(mesh, CLIENTS[:3], "istio-system/istio_converted_static_strict")


def test_deny_without_rules_is_refused_with_the_reason(mesh):
    path = mesh.lab.path(authorization("shop", "none", "DENY"))
    try:
        done = mesh.lab.apply(path, check=False)
        assert done.returncode != 0 and "DENY policy without rules" in done.stderr
        sort_out(mesh, CLIENTS)
    finally:
        mesh.lab.delete("-f", path)
