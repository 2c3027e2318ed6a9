"""`culvert connections`: what is carried now, by each way, with identities and bytes."""
import json
import os

import pytest
import walks
from flows import Mesh
from lab import Lab, culvert, wait_until

RUN = os.getpid()
NEAR = "spiffe://cluster.local/ns/shop/sa/near"


@pytest.fixture(scope="module")
def mesh():
    with Lab(f"explain-live-{RUN}", walks.WORLD, flags=walks.FLAGS) as lab:
        mesh = Mesh(lab, ["shop/near"])
        yield mesh
        mesh.close()


def all_listed(mesh):
    return json.loads(culvert("connections", "--name", mesh.lab.name, "-o", "json").stdout)


def listed(mesh, *flags):
    done = culvert("connections", "--name", mesh.lab.name, "-o", "json", *flags)
    return {(one["node"], one["path"]): one for one in json.loads(done.stdout)}


def test_open_connections_are_listed_until_they_end(mesh):
    servers = {"joined": "shop/web", "tunnel": "shop/stock", "plain": "default/bare"}
    said = {path: mesh.flow("shop/near", server, 8080, keep=path) for path, server in servers.items()}
    sizes = {path: len(one["text"]) + 1 for path, one in said.items()}  # and as much came back

    def counted():
        found = listed(mesh, "--pod", "shop/near")
        there = all(("east", path) in found for path in sizes)
        return found if there and all(found["east", path]["bytes_received"] == size for path, size in sizes.items()) else None
    found = wait_until(counted, "the connections with their bytes")
    assert set(found) == {("east", "joined"), ("east", "tunnel"), ("east", "plain"), ("west", "inbound-tunnel")}
    for path in servers:
        one = found["east", path]
        assert one["source"]["identity"] == NEAR
        assert one["source"]["address"] == "{}:{}".format(*said[path]["local"])
        assert one["bytes_sent"] == one["bytes_received"] == sizes[path], one
    stock = "spiffe://cluster.local/ns/shop/sa/stock"
    assert found["east", "tunnel"]["destination"]["identity"] == stock
    assert found["west", "inbound-tunnel"]["destination"]["pod"] == "stock"
    assert listed(mesh, "--path", "joined").keys() == {("east", "joined")}
    assert listed(mesh, "--node", "west").keys() == {("west", "inbound-tunnel")}
    assert listed(mesh, "-n", "bank") == {}
    table = culvert("connections", "--name", mesh.lab.name).stdout
    assert "shop/sa/near" in table and "inbound-tunnel" in table
    for path in servers:
        mesh.one("shop/near", on=path)  # says more, and closes nothing
    wait_until(lambda: listed(mesh)["east", "joined"]["bytes_sent"] > found["east", "joined"]["bytes_sent"], "more bytes")
    mesh.close()
    wait_until(lambda: listed(mesh) == {}, "no connection is listed")
    mesh.clients.clear()


def test_what_a_draining_ztunnel_carries_is_listed_and_said_to_be(mesh):
    mesh = Mesh(mesh.lab, ["shop/near"])
    mesh.flow("shop/near", "shop/stock", 8080, keep="long")
    assert {one["ztunnel"] for one in all_listed(mesh)} == {"serving"}
    old = next(c for c in mesh.lab.status()["components"] if c["id"] == "node/east/ztunnel")["pid"]
    mesh.lab.restart("node/east", "ztunnel")
    mesh.flow("shop/near", "shop/stock", 8080, keep="new")
    found = {(one["node"], one["ztunnel"]) for one in all_listed(mesh)}
    assert found == {("east", f"draining {old}"), ("east", "serving"), ("west", "serving")}
    assert f"east, draining {old}" in culvert("connections", "--name", mesh.lab.name).stdout
    explained = json.loads(culvert("explain", "--name", mesh.lab.name, "-o", "json", "shop/near", "shop/stock:8080").stdout)
    assert explained["differences"] == []
    outbound = {one["ztunnel"]: one["count"] for one in explained["open"] if one["direction"] == "outbound"}
    assert outbound == {f"draining {old}": 1, "serving": 1}
    mesh.close()
    wait_until(lambda: all_listed(mesh) == [], "no connection is listed")
    mesh.clients.clear()
