"""The tables before a real waypoint: a lab with our echo servers, in which every group has services of its own names, so that the
objects of all stand side by side and one waypoint serves them.
"""
import json
import pathlib
import re
import sys

import yaml

import outside
import tables

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
import watched  # noqa: E402
from lab import Lab, culvert, free_port, wait_until  # noqa: E402, F401

CLIENTS = {"web": "shop/web", "admin": "other/admin"}
SERVERS = {f"shop/reviews-{version}": version for version in tables.VERSIONS} | {"shop/ratings": "ratings"}
OTHER_SUBSETS = {"stable": "v1"}


def suffix(group):
    return group.name.replace("_", "-")


def renamed(value, group):
    """With the services of the group in place of reviews and ratings, and pods' versions in place of other subsets."""
    if isinstance(value, dict) and value.get("to") in OTHER_SUBSETS:
        value = {**value, "to": OTHER_SUBSETS[value["to"]]}
    return json.loads(re.sub(r"\b(reviews|ratings)\b", rf"\1-{suffix(group)}", json.dumps(value), flags=re.I))


def case_here(group, case):
    """The case with the names of its group; servers keep theirs."""
    here = tables.Case(group, case.number, renamed(case.given, group))
    here.given.setdefault("authority", f"reviews-{suffix(group)}")
    here.given.setdefault("to_service", f"reviews-{suffix(group)}.shop.svc.cluster.local")
    if "shares" in case.given:
        here.given["shares"] = case.given["shares"]
    if "mirrored" in case.given:
        here.given["mirrored"] = [" as ".join([old.partition(" as ")[0], new.partition(" as ")[2]])
                                  for old, new in zip(case.given["mirrored"], here.given["mirrored"], strict=True)]
    return here


def asked_here(case):
    """Whether one client of the mesh can ask it by HTTP/1.1."""
    given = case.given
    return (given.get("from", "web") in CLIENTS and "via" not in given
            and not (given.get("abort") or "").startswith("http2") and "delay" not in given.get("shares", {})
            and given.get("to_service", "") == given.get("to_service", "").lower()  # who resolves names knows one form
            and given.get("policy", {}).get("http.protocol") != "HTTP/2"  # echo servers speak HTTP/1.1
            and watched.askable(case))


def served_here(group):
    """Whether its objects can stand beside those of the others: no wildcards, no services that only it knows."""
    return bool(group.objects() and not group.refused and not {"services", "ownNamespace"} & set(group.given)
                and "*." not in group.text() and not any(one["kind"] == "ServiceEntry" for one in group.objects()))


def groups():
    """(group, its cases) that are asked of a waypoint."""
    chosen = [(group, [case for case in group.cases if asked_here(case)]) for group in tables.groups() if served_here(group)]
    return [(group, cases) for group, cases in chosen if cases]


def pod(name, namespace, labels, *command, ports=()):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace, "labels": labels},
            "spec": {"serviceAccountName": name,
                     "containers": [{"name": "main", "command": list(command),
                                     "ports": [{"containerPort": port} for port in ports]}]}}


def service(name, app):
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "shop"},
            "spec": {"ipFamilyPolicy": "PreferDualStack", "selector": {"app": app},
                     "ports": [{"name": "http", "port": 80, "targetPort": 8080},
                               *([{"name": "http-more", "port": 9090, "targetPort": 8080}] if app == "reviews" else [])]}}


def mesh():
    """Namespaces, and a waypoint for the services of shop."""
    ambient = {"istio.io/dataplane-mode": "ambient"}
    return [{"apiVersion": "v1", "kind": "Namespace",
             "metadata": {"name": "shop", "labels": {**ambient, "istio.io/use-waypoint": "waypoint"}}},
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "other", "labels": ambient}},
            {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway",
             "metadata": {"name": "waypoint", "namespace": "shop"},
             "spec": {"gatewayClassName": "culvert-waypoint",
                      "listeners": [{"name": "mesh", "port": 15008, "protocol": "HBONE"}]}}]


def world():
    """Everything that the lab runs, as one manifest."""
    echo = ["python3", str(HERE / "echo.py")]
    out = mesh()
    for version in tables.VERSIONS:
        out.append(pod(f"reviews-{version}", "shop", {"app": "reviews", "version": version, "track": "stable"},
                       *echo, version, "--port", "8080", ports=[8080]))
    out.append(pod("ratings", "shop", {"app": "ratings", "version": "v2"}, *echo, "ratings", "--port", "8080",
                   ports=[8080]))
    for name, place in CLIENTS.items():
        out.append(pod(name, place.partition("/")[0], tables.CLIENTS[name][1], "sleep", "100000"))
    for group, _ in groups():
        for app in ("reviews", "ratings"):
            out.append(service(f"{app}-{suffix(group)}", app))
        for age, one in enumerate(renamed(group.objects(), group)):
            # Of one age, objects go by their names.
            one["metadata"]["name"] = f"o{age}-{one['metadata']['name']}-{suffix(group)}"
            out.append(one)
    return yaml.safe_dump_all(out, sort_keys=False)


def place(case):
    """Where a case asks: its group's service."""
    asked = tables.question(case)
    return [asked["host"].removesuffix(".cluster.local").removesuffix(".svc"), asked["port"]]


def answers(lab, family):
    """(case, what came back) of every case."""
    out = []
    for group, cases in groups():
        for case in cases:
            here = case_here(group, case)
            out.append((CLIENTS[case.given.get("from", "web")], here, place(here), family))
    return watched.ask(lab, out, ["shop/waypoint-1"], SERVERS)
