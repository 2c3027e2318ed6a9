"""Peers of a waypoint that fall silent with everything open, as a node that loses its power does: their tunnels are given up, and
everybody else is served on, by the same thread."""
import os

import pytest

from flows import NODES, client_pod, echo_pod, meshed
from lab import Lab, wait_until
from test_own_pod import Kept

WAYPOINT = "shop/waypoint-1"


def service(name):
    return f"""---
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: shop, labels: {{istio.io/use-waypoint: waypoint}}}}
spec: {{ipFamilyPolicy: PreferDualStack, selector: {{app: {name}}}, ports: [{{name: http, port: 8080}}]}}
"""


WORLD = NODES + meshed("shop") + client_pod("shop", "silent", "east") + client_pod("shop", "witness", "east") + echo_pod(
    "shop", "site", "west") + echo_pod("shop", "other", "west") + service("site") + service("other") + """---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: waypoint, namespace: shop}
spec: {gatewayClassName: culvert-waypoint, listeners: [{name: mesh, port: 15008, protocol: HBONE}]}
"""


@pytest.fixture
def lab():
    with Lab(f"prox-gone-{os.getpid()}", WORLD) as made:
        wait_until(lambda: made.curl("shop/witness", "http://site:8080/")[0] == 0, "the waypoint serves")
        yield made


def silence(lab, address):
    """Nothing that is sent to it or by it passes the waypoint's pod any more."""
    program = "ip6tables" if ":" in address else "iptables"
    for chain, side in (("INPUT", "-s"), ("OUTPUT", "-d")):
        lab.exec(WAYPOINT, program, "-A", chain, side, address, "-j", "DROP", check=True)


def tunnels(lab, address):
    """Established TCP connections of the waypoint's pod with this address."""
    shown = lab.exec(WAYPOINT, "ss", "-Htn", "state", "established", check=True).stdout
    return sum(f"{address}]:" in line or f"{address}:" in line for line in shown.splitlines())


@pytest.mark.parametrize("who", ["shop/silent", "shop/site"], ids=["a client", "a server"])
def test_a_peer_that_falls_silent_holds_nobody_up(lab, who):
    kept = [Kept(lab, "shop/silent", host, 8080) for host in ("site", "site")]
    assert [link.ask() for link in kept] == ["200", "200"]
    of_its_own = [address for address in lab.ips(who) if tunnels(lab, address)]
    assert of_its_own, "it has a tunnel with the waypoint"
    for address in lab.ips(who):
        silence(lab, address)
    # By PINGs without an answer (culvert::h2::Options), half a minute by default.
    wait_until(lambda: not any(tunnels(lab, address) for address in of_its_own), "its tunnels are given up", timeout=180)
    for _ in range(5):
        assert lab.curl("shop/witness", "http://other:8080/")[0] == 0
    for link in kept:
        link.process.kill()
