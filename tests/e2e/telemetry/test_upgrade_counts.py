"""An upgrade loses no count: what Prometheus scrapes never goes back, and is what the clients counted."""
import contextlib
import os
import threading

import pytest
from lab import Lab, wait_until
from objects import authorization, source
from scrape import (CLIENT, FAMILIES, FAR, FLAGS, SIDES, SPIFFE, WORLD, await_equal, counted, grown, metrics, tally,
                    total)

CONNECTIONS, SIZE = 40, 5_000
NODES = ("node/east", "node/west")


@pytest.fixture(scope="module")
def lab():
    with Lab(f"observe-upgrade-{os.getpid()}", WORLD, flags=FLAGS) as lab:
        yield lab


class Watch(threading.Thread):
    """Scrapes a node as Prometheus would, only more often, and notes each series that goes back or is gone."""

    def __init__(self, lab, node):
        super().__init__(daemon=True)
        self.lab, self.node, self.last, self.wrong, self.scrapes = lab, node, {}, [], 0
        self.stop = threading.Event()

    def run(self):
        while not self.stop.wait(0.05):
            with contextlib.suppress(AssertionError):  # nobody listens while the ports change hands
                self.compare(metrics(self.lab, self.node))

    def compare(self, families):
        now = {(name, frozenset(one.labels.items())): one.value for name in FAMILIES.values()
               for one in families[name].samples if one.name.endswith("_total")}
        self.scrapes += 1
        for key, value in self.last.items():
            if now.get(key, -1) < value:
                self.wrong.append((key, value, now.get(key)))
        self.last = now


@contextlib.contextmanager
def watched(lab):
    watches = [Watch(lab, node) for node in NODES]
    for watch in watches:
        watch.start()
    yield
    for watch in watches:
        watch.stop.set()
        watch.join(timeout=60)
        assert watch.scrapes > 3 and not watch.wrong, (watch.node, watch.scrapes, watch.wrong[:3])


def gauge(lab, node, name):
    return total(metrics(lab, node), name)


def labels_of(reporter):
    return {"reporter": reporter, "source_principal": SPIFFE + "client", "destination_principal": SPIFFE + "far"}


def sides(before, lab):
    return {side: grown(lab, side[0], before[side], **labels_of(side[1])) for side in SIDES[FAR]}


def test_upgrades_of_both_nodes_lose_no_count_and_no_series_goes_back(lab):
    before = {side: counted(lab, side[0], **labels_of(side[1])) for side in SIDES[FAR]}
    ip, clients = lab.ips(FAR)[0], []
    with watched(lab):
        clients.append(tally(lab, ip, 7001, CONNECTIONS, SIZE))
        call = lab.popen(CLIENT, "nc", ip, "7004", stdin=-1)
        try:
            for line, upgraded in (("0123456789\n", NODES), ("x" * 999 + "\n", NODES[:1])):
                # What it says from now on, an older ztunnel counts, and the newest tells.
                call.stdin.write(line)
                call.stdin.flush()
                for node in upgraded:
                    lab.restart(node, "ztunnel")
                clients.append(tally(lab, ip, 7001, CONNECTIONS, SIZE))
            call.stdin.write("y" * 99 + "\n")
            call.stdin.flush()
            carried, spoken = sum(one["answered"] for one in clients), 11 + 1000 + 100
            wanted = {"opened": carried + 1, "closed": carried, "failed": 0,
                      "received": sum(one["sent"] for one in clients) + spoken,
                      "sent": sum(one["received"] for one in clients)}
            await_equal(lambda: sides(before, lab), dict.fromkeys(SIDES[FAR], wanted), "while it is open")
            assert carried == 3 * CONNECTIONS
            for node in NODES:
                await_equal(lambda: gauge(lab, node, "culvert_connections_open"), 1, f"open on {node}")
                # The one between stays for those who had begun to connect to it.
                await_equal(lambda: gauge(lab, node, "culvert_draining_ztunnels"), 1, f"draining on {node}")
        finally:
            call.kill()
            call.wait()
        wanted["closed"] = wanted["opened"]
        await_equal(lambda: sides(before, lab), dict.fromkeys(SIDES[FAR], wanted), "after its end")
        for node in NODES:
            await_equal(lambda: gauge(lab, node, "culvert_draining_ztunnels"), 0, f"draining on {node}")


def test_what_a_draining_one_cuts_is_counted_at_its_successor(lab):
    cuts = gauge(lab, "node/west", "culvert_policy_cuts")
    call = lab.popen(CLIENT, "nc", lab.ips(FAR)[0], "7004", stdin=-1)
    deny = lab.path(authorization("town", "no-client", "DENY", source(principals=["cluster.local/ns/town/sa/client"])))
    try:
        wait_until(lambda: gauge(lab, "node/west", "culvert_connections_open") == 1, "the connection")
        lab.restart("node/west", "ztunnel")
        lab.apply(deny)
        await_equal(lambda: gauge(lab, "node/west", "culvert_policy_cuts"), cuts + 1, "cuts")
        wait_until(lambda: gauge(lab, "node/west", "culvert_draining_ztunnels") == 0, "the end of the drain")
        assert gauge(lab, "node/west", "culvert_policy_cuts") == cuts + 1
    finally:
        lab.delete("-f", deny)
        call.kill()
        call.wait()
