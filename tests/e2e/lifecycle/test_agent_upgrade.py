"""Agents are replaced under load, also those of an older map layout: no connection fails, none is cut."""
import json
import os
import threading

import pytest
from flows import NODES, client_pod, meshed
from lab import Lab, wait_until
from lifecycle import ECHO, Flood, Steady, component, echo_pod
from older_layout import layout_of, make_older


@pytest.fixture(scope="module")
def lab(programs):
    pods = NODES + meshed("shop") + client_pod("shop", "alpha", "east")
    pods += echo_pod("shop", "far", "west", programs) + echo_pod("shop", "near", "east", programs)
    with Lab(f"life-agent-{os.getpid()}", pods) as lab:
        yield lab


def upgraded(lab, node, pins):
    """The agent dies, its pins turn out to be of layout 1, and the next agent finds them so."""
    lab.kill(f"node/{node}", "agent", hold=True)
    now = layout_of(pins)
    old = make_older(pins)
    lab.restart(f"node/{node}", "agent")
    wait_until(lambda: layout_of(pins) == now, "the layout of now")
    assert f"cv_pod: {len(old)} entries taken over from layout 1" in lab.logs(f"node/{node}", "agent")


def test_a_migration_on_both_nodes_neither_cuts_nor_fails_a_connection(lab, programs):
    far, near = lab.ips("shop/far")[0], lab.ips("shop/near")[0]
    tunnels = [component(lab, f"node/{node}/ztunnel")["pid"] for node in ("east", "west")]
    held = Steady(lab, programs, "shop/alpha", [far, near], 500, 500)
    held.wait_open(500)
    flood = Flood(lab, programs, "shop/alpha", [far, near], 200)
    flood.flows(100)
    for node in lab.status()["nodes"]:
        upgraded(lab, node["name"], node["bpf_dir"])
        flood.flows(200)
    held.rounds(2, 500)
    result, many = flood.stop(), held.stop()
    assert (result["failed"], result["errors"]) == (0, {})
    assert (many["failed"], many["open"], many["errors"]) == (0, 500, {})
    assert [component(lab, f"node/{node}/ztunnel")["pid"] for node in ("east", "west")] == tunnels


class Newcomers(threading.Thread):
    """Pods that are created one after the other, each of which connects in its first instruction."""

    def __init__(self, lab, programs, to):
        super().__init__(daemon=True)
        self.lab, self.to, self.flood = lab, to, programs["flood"]
        self.keys, self.refused, self.stopping = [], [], threading.Event()

    def run(self):
        while not self.stopping.is_set():
            key = f"shop/new-{len(self.keys)}"
            done = self.lab.apply(quick_pod(key, self.flood, self.to), check=False)
            self.keys.append(key)
            if done.returncode:
                self.refused.append(done.stderr)

    def finish(self):
        self.stopping.set()
        self.join(60)


def quick_pod(key, flood, to):
    ns, name = key.split("/")
    run = f"{flood} run {ECHO} 1000 0.02 {to}; exec sleep 100000"
    return f"""---
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: {ns}}}
spec:
  nodeName: east
  serviceAccountName: quick
  containers: [{{name: c, command: [sh, -c, "{run}"]}}]
"""


def first_words(lab, key):
    """What the flood of a pod's first instruction said at its end."""
    def done():
        lines = [json.loads(line) for line in lab.logs(key).splitlines() if line.startswith("{")]
        return lines[-1] if lines and lines[-1].get("done") else None
    return wait_until(done, f"the first connections of {key}")


def test_agents_follow_one_another_under_traffic_and_lose_neither_connection_nor_pod(lab, programs):
    far = lab.ips("shop/far")[0]
    held = Steady(lab, programs, "shop/alpha", [far], 200, 500)
    held.wait_open(200)
    flood = Flood(lab, programs, "shop/alpha", [far], 200)
    newcomers = Newcomers(lab, programs, far)
    newcomers.start()
    for _ in range(5):
        there = len(newcomers.keys)
        former = component(lab, "node/east/agent")["pid"]
        lab.restart("node/east", "agent")
        assert component(lab, "node/east/agent")["pid"] != former
        wait_until(lambda: len(newcomers.keys) > there, "a pod that was created meanwhile")
    newcomers.finish()
    held.rounds(2, 500)
    result, many = flood.stop(), held.stop()
    assert (result["failed"], result["errors"]) == (0, {})
    assert (many["failed"], many["open"], many["errors"]) == (0, 200, {})
    assert len(newcomers.keys) >= 5 and newcomers.refused == []
    for key in newcomers.keys:
        first = first_words(lab, key)
        assert first["errors"] == {} and first["ok"] > 0, (key, first)
    log = lab.logs("node/east", "agent")
    assert log.count("another agent serves node east") == 5
    for key in newcomers.keys:
        lab.delete("Pod", key)


def test_agent_and_ztunnel_are_upgraded_in_either_order(lab, programs):
    far = lab.ips("shop/far")[0]
    flood = Flood(lab, programs, "shop/alpha", [far], 100)
    flood.flows(50)
    for node in lab.status()["nodes"]:
        lab.restart(f"node/{node['name']}", "ztunnel")
        upgraded(lab, node["name"], node["bpf_dir"])
        lab.restart(f"node/{node['name']}", "ztunnel")
        flood.flows(100)
    result = flood.stop()
    assert (result["failed"], result["errors"]) == (0, {})
