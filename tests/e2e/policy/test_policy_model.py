"""Random sets of policies: every decision is the one of model.py, from every kind of client.

SEED=N in the environment repeats a run, which prints it when it fails.
"""
import json
import os
import random

import pytest
from draw import CLIENTS, PODS, PORTS, SERVERS, Draw, facts
from flows import Mesh, endpoint
from lab import Lab, wait_until
from model import decide, mtls_mode

SETS, LONG_SETS = 40, 1000  # for each way to connect pods of one node


@pytest.fixture(scope="module", params=["join", "encrypt"])
def mesh(request):
    with Lab(f"e2e-model-{os.getpid()}", PODS, flags=[f"--ztunnel-flag=--same-node={request.param}"]) as lab:
        mesh = Mesh(lab, CLIENTS)
        yield mesh
        mesh.close()


def run_flows(mesh):
    """{(client, server, family, port): result}, all at once."""
    keys = [(server, family, port) for server in SERVERS for family in (4, 6) for port in PORTS]
    flows = [{"host": mesh.ip(server, family), "port": port} for server, family, port in keys]
    sent = {client: [{**flow, "text": mesh.text()} for flow in flows] for client in CLIENTS}
    got = mesh.rounds(sent)
    return {(client, *key): {**result, "text": flow["text"]} for client in CLIENTS
            for key, flow, result in zip(keys, sent[client], got[client])}


def check_set(mesh, objects, refusals, clients, servers):
    for (client, server, family, port), got in run_flows(mesh).items():
        through, names = decide(objects, clients[client], servers[server], family, port)
        about = f"{client} -> {server}:{port} by IPv{family} under {json.dumps(objects)}"
        assert got["outcome"] == ("answered" if through else "reset"), f"{got}: {about}"
        if not through:
            # Plaintext of a meshed client leaves from another port, which its own log does not tell.
            known = not clients[client]["meshed"] or mtls_mode(objects, servers[server], port) != "DISABLE"
            refusals.append((mesh.pods[server]["node"] if known else None, got, names, about))


def test_decisions_are_those_of_the_model(mesh, long_run):
    seed = int(os.environ.get("SEED", random.randrange(1 << 32)))
    print(f"SEED={seed}")
    draw = Draw(seed, mesh)
    clients = {key: facts(mesh, key, {}, account) for key, account in CLIENTS.items()}
    servers = {key: facts(mesh, key, labels, key.split("/")[1]) for key, labels in SERVERS.items()}
    refusals, through = [], 0
    for _ in range(LONG_SETS if long_run else SETS):
        objects, before = draw.objects(), len(refusals)
        with mesh.with_objects(*(json.dumps(o) + "\n" for o in objects)):
            check_set(mesh, objects, refusals, clients, servers)
        through += len(CLIENTS) * len(SERVERS) * 4 - (len(refusals) - before)
    assert through > 100 and len(refusals) > 100, "the sets decide something"
    check_logs(mesh, refusals)


def check_logs(mesh, refusals):
    """No server heard a refused client, and for each the access log names a policy that refuses it."""
    heard = set().union(*(mesh.heard(server) for server in SERVERS))
    assert not heard & {got["text"] for _, got, _, _ in refusals}
    logged = [refusal for refusal in refusals if refusal[0]]
    named = {}

    def complete():
        for node in ("east", "west"):
            for line in mesh.access(node):
                if line["direction"] == "inbound":
                    named.setdefault((node, line["src.addr"]), set()).add(line.get("policy"))
        return all((node, endpoint(got["local"])) in named for node, got, _, _ in logged)
    wait_until(complete, "an access log line for every refusal")
    for node, got, names, about in logged:
        policies = named[node, endpoint(got["local"])]
        assert policies & names, f"{policies} for {names}: {about}"
