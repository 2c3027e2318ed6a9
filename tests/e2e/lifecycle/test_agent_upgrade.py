"""Agents of an older map layout are upgraded under load: no connection fails, none is cut."""
import os

import pytest
from flows import NODES, client_pod, meshed
from lab import Lab, wait_until
from lifecycle import Flood, Steady, component, echo_pod
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
