"""For random pairs of configuration and connection, `culvert explain` says what then happens.

Each configuration is a random set of policies (../policy/draw.py); for each connection the outcome, the
policy that decides and the way it goes are compared. SEED=N in the environment repeats a run.
"""
import json
import os

import pytest
import walks
from draw import Draw as PolicyDraw
from flows import Mesh, endpoint
from lab import Lab

SEED = 20251104
PER_CONFIGURATION = 25
CONFIGURATIONS, LONG_CONFIGURATIONS = 10, 100  # for each way to connect pods of one node
RUN = os.getpid()


@pytest.fixture(scope="module", params=["join", "encrypt", "waypoint"])
def mesh(request):
    """Pods of one node are joined, or not; or a waypoint is in front of the services of shop."""
    behind = request.param == "waypoint"
    flags = [*walks.FLAGS, f"--ztunnel-flag=--same-node={'join' if behind else request.param}"]
    with Lab(f"explain-{request.param}-{RUN}", walks.BEHIND_WAYPOINT if behind else walks.WORLD, flags=flags) as lab:
        mesh = Mesh(lab, walks.CLIENTS)
        yield mesh
        mesh.close()


def expected_outcome(report, branch):
    """What line_client.py calls it: nobody may listen where the mesh lets the connection through."""
    if branch["outcome"] != "answered" or branch.get("listening", True):
        return {"unreachable": "ENETUNREACH"}.get(branch["outcome"], branch["outcome"])
    # ztunnel has accepted by then, at either end; without one the kernel refuses.
    return "reset" if report["captured"] or "arrival" in branch else "refused"


def outbound_lines(logs, walk, got):
    """Of the client itself: what its connection becomes at a port of the outbound block has its address too."""
    return logs.find(direction="outbound", src__addr=endpoint(got["local"]), src__workload=walk.client.split("/")[1])


def branch_of(report, lines):
    """The branch that the connection took: the only one, or that of the endpoint in its log line."""
    branches = report["branches"]
    if len(branches) == 1:
        return branches[0]
    taken = [b for line in lines for b in branches
             if b["endpoint"] == f"{line.get('dst.namespace')}/{line.get('dst.workload')}"]
    assert taken, f"{lines} names none of {branches}"
    return taken[0]


def check_policy(mesh, logs, walk, branch, about):
    """The lines at the destination name the policy that was said to refuse, or none."""
    verdict = branch.get("verdict")
    if not verdict or "behind" in branch:  # a waypoint's log is its own
        return
    port = branch["target"].rsplit(":", 1)[1]
    ip = branch["source_ip"]
    lines = [line for line in logs.find(direction="inbound", dst__workload=branch["endpoint"].split("/")[1])
             if line["src.addr"].rsplit(":", 1)[0].strip("[]") == ip and line["dst.addr"].rsplit(":", 1)[1] == port]
    assert lines, f"no line of the destination: {about}"
    policies = {line.get("policy") for line in lines}
    assert policies == {None if verdict["allowed"] else verdict["policy"] or None}, f"{policies}: {about}"


def check(mesh, logs, walk, report, got, objects):
    about = f"{walk}: {got} under {json.dumps(objects)}: {json.dumps(report)}"
    assert report["kernel"] == report["result"] and not report["differences"], about
    lines = outbound_lines(logs, walk, got)
    if not report["branches"]:
        assert got["outcome"] == report["result"]["outcome"], about
        return
    assert bool(lines) == report["captured"], f"{lines}: {about}"
    branch = branch_of(report, lines)
    said = {one["allowed"] for one in branch.get("behind", [])}
    either = branch["outcome"] == "unknown" and said == {True, False}  # whom a waypoint chooses is seen there alone
    assert got["outcome"] in ({"answered", "reset"} if either else {expected_outcome(report, branch)}), about
    if report["captured"]:
        assert {walks.path_of(line) for line in lines} == {branch["path"]}, f"{lines}: {about}"
    check_policy(mesh, logs, walk, branch, about)


def all_logged(logs, drawn, reports, got):
    """Every captured connection has a line at its source, every judged one a line at its destination."""
    inbound = {(line["src.addr"].rsplit(":", 1)[0].strip("[]"), line.get("dst.workload"),
                line["dst.addr"].rsplit(":", 1)[1]) for line in logs.find(direction="inbound")}
    for (_, walk), report, seen in zip(drawn, reports, got):
        lines = outbound_lines(logs, walk, seen) if report["captured"] else []
        if report["captured"] and not lines:
            return False
        if not report["branches"]:
            continue
        branch = branch_of(report, lines)
        if "verdict" in branch and "behind" not in branch and (branch["source_ip"], branch["endpoint"].split("/")[1],
                                    branch["target"].rsplit(":", 1)[1]) not in inbound:
            return False
    return True


def test_what_is_explained_is_what_happens(mesh, long_run):
    seed = int(os.environ.get("SEED", SEED))
    print(f"SEED={seed}")
    policies, connections = PolicyDraw(seed, mesh), walks.Draw(seed, mesh)
    logs, kinds = walks.Logs(mesh), {}
    for _ in range(LONG_CONFIGURATIONS if long_run else CONFIGURATIONS):
        objects, drawn = policies.objects(), connections.walks(PER_CONFIGURATION)
        with mesh.with_objects(*(json.dumps(o) + "\n" for o in objects)):
            reports = walks.explain_all(mesh.lab, drawn)
            logs.skip()
            got = walks.connect_all(mesh, drawn)
            walks.wait_for(logs, lambda: all_logged(logs, drawn, reports, got), "all lines of the access logs")
            for (_, walk), report, seen in zip(drawn, reports, got):
                check(mesh, logs, walk, report, seen, objects)
                for branch in report["branches"] or [{"path": "none"}]:
                    kind = ("waypoint" if "behind" in branch else branch["path"], report["result"]["outcome"])
                    kinds[kind] = kinds.get(kind, 0) + 1
            check_recent(mesh, drawn, reports)
    print(kinds)
    paths = {path for path, _ in kinds}
    near = {"explain-join": {"joined"}, "explain-waypoint": {"waypoint"}}.get(mesh.lab.name.rpartition("-")[0], set())
    assert paths >= {"direct", "plain", "tunnel", "none"} | near, kinds
    if "waypoint" in near:
        assert {outcome for path, outcome in kinds if path == "waypoint"} >= {"answered", "reset"}, kinds
    assert sum(n for (_, outcome), n in kinds.items() if outcome == "reset") > 20, kinds
    assert sum(n for (_, outcome), n in kinds.items() if outcome == "answered") > 20, kinds


def check_recent(mesh, drawn, reports):
    """Asked again, it finds the connections of just now, and nothing that differs."""
    for (family, walk), before in list(zip(drawn, reports))[:2]:
        status, again = walks.explain(mesh.lab, walk, family)
        assert status == 0 and again["result"] == before["result"], again
        if before["captured"] and before["branches"]:
            assert [one for one in again["recent"] if not one["stale"]], f"{again['recent']}: {walk}: {again}"
