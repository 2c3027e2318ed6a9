"""Where connections go: services to their ready endpoints, everything else as without the mesh."""
import json

import pytest
from lab import wait_until
from town import CLIENT, ip_of, talk, vip_of

RETRY_S = 4  # the kernel may learn only from its second or third SYN that there is no route


def servers(lab, family, count, client=CLIENT):
    """Which pods answered `count` connections to the service talk, in order."""
    address = vip_of(lab, "talk", family)
    url = f"http://[{address}]:8080/" if family == 6 else f"http://{address}:8080/"
    answered = []
    for line in lab.exec(client, "sh", "-c", f"for i in $(seq {count}); do curl -sS -g --max-time 60 '{url}'; done",
                         check=True).stdout.splitlines():
        answered.append(json.loads(line)["server"])
    return answered


def test_a_service_takes_its_ready_endpoints_in_turn(joined, family):
    answered = servers(joined, family, 10)
    assert answered.count("near") == answered.count("far") == 5
    assert all(a != b for a, b in zip(answered, answered[1:])), answered


def slice_of(lab, ready):
    """The endpoints of the service `picked`, written by hand: near, far, and who of them is ready."""
    endpoints = ", ".join(
        f"{{addresses: ['{ip_of(lab, f'town/{name}', 4)}'], nodeName: {node}, conditions: {{ready: {str(is_ready).lower()}}}, "
        f"targetRef: {{kind: Pod, namespace: town, name: {name}}}}}"
        for (name, node), is_ready in zip((("near", "east"), ("far", "west")), ready))
    return f"""
apiVersion: v1
kind: Service
metadata: {{name: picked, namespace: town}}
spec: {{ports: [{{name: http, port: 8080}}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: picked-1, namespace: town, labels: {{kubernetes.io/service-name: picked}}}}
addressType: IPv4
endpoints: [{endpoints}]
ports: [{{name: http, port: 8080, protocol: TCP}}]
"""


def test_an_endpoint_that_is_not_ready_gets_nothing_and_none_ready_refuses(joined):
    def answered():
        done = joined.exec(CLIENT, "sh", "-c", "for i in 1 2 3 4 5 6; do curl -s --max-time 60 http://picked:8080/; done")
        return {json.loads(line)["server"] for line in done.stdout.splitlines()}

    joined.apply(slice_of(joined, (True, True)))
    assert answered() == {"near", "far"}
    joined.apply(slice_of(joined, (True, False)))
    assert answered() == {"near"}
    joined.apply(slice_of(joined, (False, False)))
    code, text = joined.curl(CLIENT, "http://picked:8080/")
    assert code in (7, 56), text  # refused, or reset before an answer


def test_a_service_without_endpoints_refuses_at_once(joined, family):
    answer = talk(joined, vip_of(joined, "empty", family), 8080, "eof")
    assert answer["error"] in ("ECONNREFUSED", "ECONNRESET") and answer["seconds"] < 5


def test_a_port_that_the_service_does_not_have_refuses_or_fails_as_without_the_mesh(joined):
    answer = talk(joined, vip_of(joined, "talk", 4), 4444, "eof")
    assert "error" in answer and answer["seconds"] < 5


@pytest.mark.parametrize("client, server", [(CLIENT, "wild/outsider"), ("wild/outsider", "town/near"),
                                            ("wild/stranger", "town/near"), ("wild/stranger", "town/far")])
def test_plaintext_passes_between_the_mesh_and_others(joined, client, server, family):
    """PERMISSIVE, the default: the peers' addresses are the real ones here too, and the wire is plain."""
    nonce = "seen-on-the-wire"
    with joined.capture(client, "tcp", "port", "2525", interface="eth0") as link:
        answer = talk(joined, ip_of(joined, server, family), 2525, f"line,send:{nonce}\\n,fin,eof", client=client)
    assert answer["heard"][1] == nonce.upper() + "\n", answer
    assert answer["getpeername"] == [ip_of(joined, server, family), 2525]
    assert nonce.encode() in link.bytes
    assert answer["getsockname"][0] == ip_of(joined, client, family)
    wait_until(lambda: any(line["getpeername"] == line["peer"] == peer_seen(joined, client, answer, line)
                           for line in joined.log_lines(server, "greeter")), "the client in the server's log")


def peer_seen(lab, client, answer, line):
    """From the mesh ztunnel dials from the pod with a port of its own; towards it the port is kept."""
    ip, port = answer["getsockname"]
    return [ip, line["peer"][1] if client == CLIENT else port]


@pytest.mark.parametrize("address", ["203.0.113.7", "2001:db8::7"])
def test_an_unknown_address_fails_as_without_the_mesh(joined, plain, address):
    """Nobody has a route to it; within the mesh the application learns it after its connect."""
    without = talk(plain, address, 80, "eof")
    within = talk(joined, address, 80, "eof")
    assert "error" in without and "error" in within, (without, within)
    assert within["seconds"] < without["seconds"] + RETRY_S
