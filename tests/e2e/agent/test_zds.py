"""What ztunnel hears over ZDS, with the descriptors of the pods' network namespaces."""
import os
import threading

import pytest

from lab import wait_until
from node import SNAPSHOT_SENT, Ztunnel, add_packet, del_packet


def inode(path):
    return os.stat(path).st_ino


def test_the_snapshot_then_each_change_one_at_a_time(node):
    node.start()
    one, two = node.pod("u1"), node.pod("u2")
    node.enroll(one)
    ztunnel = Ztunnel(node.zds)
    assert ztunnel.receive() == (add_packet(one), [inode(one["netns"])])
    assert ztunnel.silent()
    ztunnel.ack()
    assert ztunnel.take() == (SNAPSHOT_SENT, [])
    assert node.pods()["u1"]["ztunnel"] == "acked"
    node.enroll(two)
    assert ztunnel.take() == (add_packet(two), [inode(two["netns"])])
    node.call("DELETE", "/pods/u1")
    assert ztunnel.take() == (del_packet("u1"), [])
    ztunnel.close()


def test_post_waits_for_the_ack(node):
    node.start()
    ztunnel = Ztunnel(node.zds)
    assert ztunnel.snapshot() == []
    threading.Timer(0.3, ztunnel.take).start()
    status, answer = node.enroll(node.pod("u1"), wait_ms=5000)
    assert status == 200 and answer["ztunnel"] == "acked"
    ztunnel.close()


def test_a_refused_pod_is_tried_again_and_says_why(node):
    node.start()
    ztunnel = Ztunnel(node.zds)
    ztunnel.snapshot()
    pod = node.pod("u1")
    node.enroll(pod)
    ztunnel.receive()
    ztunnel.ack(b"no listener")
    def failed():
        told = node.pods()["u1"]
        return (told["ztunnel"], told["error"]) == ("failed", "no listener")
    wait_until(failed, "the error")
    assert ztunnel.take() == (add_packet(pod), [inode(pod["netns"])])
    wait_until(lambda: node.pods()["u1"]["ztunnel"] == "acked", "the ack")
    ztunnel.close()


def test_a_ztunnel_that_comes_back_gets_the_snapshot_again(node):
    node.start()
    pod = node.pod("u1")
    node.enroll(pod)
    for _ in range(3):
        ztunnel = Ztunnel(node.zds)
        assert ztunnel.snapshot() == [(add_packet(pod), [inode(pod["netns"])])]
        ztunnel.close()
    wait_until(lambda: node.pods()["u1"]["ztunnel"] == "pending", "its leaving")


def test_the_newest_ztunnel_is_served(node):
    node.start()
    older = Ztunnel(node.zds)
    older.snapshot()
    newer = Ztunnel(node.zds)
    newer.snapshot()
    pod = node.pod("u1")
    node.enroll(pod)
    assert newer.take()[0] == add_packet(pod)
    assert older.silent()
    newer.close()
    assert older.take()[0] == add_packet(pod)
    older.close()


@pytest.mark.parametrize("hello", [b"\x08\x02", b"garbage", b"\x0a\x00"])
def test_another_hello_is_turned_away(node, hello):
    node.start()
    ztunnel = Ztunnel(node.zds, hello)
    assert ztunnel.receive()[0] == b""
    ztunnel.close()
    assert node.ready()
