"""The agent's own end, in order or not, and pods that go away without a word."""
import signal
import subprocess

import pytest

from lab import wait_until
from node import Ztunnel, add_packet, del_packet


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_new_agent_goes_on_with_the_pods_of_the_former(node, how):
    node.start()
    pods = [node.pod("u1"), node.pod("u2")]
    cookies = {p["uid"]: node.enroll(p)[1]["netns_cookie"] for p in pods}
    status = node.stop(how)
    assert status == (0 if how == signal.SIGTERM else -signal.SIGKILL)
    assert node.linked() == set(cookies.values())
    if how == signal.SIGTERM:
        assert not node.admin.exists() and not node.zds.exists()
    node.start()
    assert {uid: p["netns_cookie"] for uid, p in node.pods().items()} == cookies
    assert all(p["state"] == "captured" for p in node.pods().values())
    ztunnel = Ztunnel(node.zds)
    assert [packet for packet, _ in ztunnel.snapshot()] == [add_packet(p) for p in pods]
    ztunnel.close()


def test_many_restarts_keep_the_pods_captured(node):
    node.start()
    cookie = node.enroll(node.pod("u1"))[1]["netns_cookie"]
    for round_number in range(10):
        node.stop(signal.SIGKILL if round_number % 2 else signal.SIGTERM)
        assert node.linked() == {cookie}
        node.start()
        assert node.pods()["u1"]["state"] == "captured"


def test_a_namespace_that_vanishes_takes_its_pod_out(node):
    node.start()
    ztunnel = Ztunnel(node.zds)
    ztunnel.snapshot()
    pod = node.pod("u1")
    node.enroll(pod)
    ztunnel.take()
    node.delete_namespace(pod["netns"])
    assert ztunnel.take() == (del_packet("u1"), [])
    wait_until(lambda: node.pods() == {} and node.linked() == set(), "its release")
    ztunnel.close()


def test_processes_left_in_a_nameless_namespace_stay_captured(node):
    node.start()
    pod = node.pod("u1")
    cookie = node.enroll(pod)[1]["netns_cookie"]
    inside = subprocess.Popen(["ip", "netns", "exec", pod["netns"].rsplit("/", 1)[1], "sleep", "60"])
    try:
        wait_until(lambda: open(f"/proc/{inside.pid}/comm").read() == "sleep\n", "the process")
        node.delete_namespace(pod["netns"])
        wait_until(lambda: node.pods()["u1"]["state"] == "ending", "the state")
        assert node.linked() == {cookie}
        node.stop(signal.SIGKILL)
        node.start()
        assert node.linked() == {cookie}
        assert [(p["netns_cookie"], p["state"]) for p in node.pods().values()] == [(cookie, "ending")]
    finally:
        inside.kill()
        inside.wait()
    wait_until(lambda: node.pods() == {} and node.linked() == set(), "its release")


def test_a_namespace_that_vanished_while_the_agent_was_dead_is_released(node):
    node.start()
    gone, stays = node.pod("u1"), node.pod("u2")
    node.enroll(gone)
    cookie = node.enroll(stays)[1]["netns_cookie"]
    node.stop(signal.SIGKILL)
    node.delete_namespace(gone["netns"])
    node.start()
    wait_until(lambda: list(node.pods()) == ["u2"] and node.linked() == {cookie}, "the release")


def test_another_namespace_under_the_same_name_is_not_the_pod(node):
    node.start()
    pod = node.pod("u1")
    first = node.enroll(pod)[1]["netns_cookie"]
    node.stop(signal.SIGKILL)
    node.delete_namespace(pod["netns"])
    assert node.namespace("u1") == pod["netns"]
    node.start()
    assert all(p["netns_cookie"] == first and p["state"] == "ending" for p in node.pods().values())
    ztunnel = Ztunnel(node.zds)
    assert ztunnel.snapshot() == []
    ztunnel.close()
    assert node.enroll(pod)[1]["netns_cookie"] != first


def test_a_lost_or_broken_state_file_leaves_pods_refusing_until_they_are_enrolled_again(node):
    node.start()
    pod = node.pod("u1")
    cookie = node.enroll(pod)[1]["netns_cookie"]
    node.stop()
    (node.state / "pods.json").write_text('{"version": 1, "po')
    node.start()
    assert "pods.json" in node.log() and (node.state / "pods.json.unreadable").exists()
    assert node.linked() == {cookie}
    assert node.enroll(pod)[0] == 200
    assert node.pods()["u1"]["state"] == "captured"
    node.call("DELETE", "/pods/u1")
    assert node.linked() == set()


def test_pods_taken_out_of_the_kernel_behind_the_agents_back_are_put_back(node):
    node.start()
    cookie = node.enroll(node.pod("u1"))[1]["netns_cookie"]
    (node.pins / "pods" / str(cookie)).unlink()
    wait_until(lambda: node.linked() == {cookie}, "the link")
