"""An agent is replaced while it serves: the next one takes over its pods and sockets, and no request is lost."""
import random
import signal
import threading
import time

from lab import wait_until
from node import Ztunnel

ROUNDS = 6


def replace(node):
    """Starts another agent beside the one that serves; returns when that one has ended."""
    former = node.processes[-1]
    node.start(wait=False)
    status = former.wait(60)
    wait_until(node.ready, "an answer")
    return status


def test_a_successor_goes_on_with_the_pods_and_with_ztunnel(node):
    node.start()
    pods = [node.pod("u1"), node.pod("u2")]
    cookies = {pod["uid"]: node.enroll(pod)[1]["netns_cookie"] for pod in pods}
    ztunnel = Ztunnel(node.zds)
    assert len(ztunnel.snapshot()) == 2
    assert replace(node) == 0
    assert ztunnel.receive()[0] == b""  # the former's end of the conversation
    again = Ztunnel(node.zds)
    assert len(again.snapshot()) == 2
    assert {uid: pod["netns_cookie"] for uid, pod in node.pods().items()} == cookies
    assert all(pod["state"] == "captured" for pod in node.pods().values())
    assert node.stop() == 0 and not node.admin.exists() and not node.zds.exists()


class Requests(threading.Thread):
    """Enrolls pods and removes them, one request after the other, until it is told to stop."""

    def __init__(self, node, name):
        super().__init__(daemon=True)
        self.node, self.pod = node, node.pod(name)
        self.answers, self.stopping = [], threading.Event()

    def run(self):
        while not self.stopping.is_set():
            for method, path, body in (("POST", "/pods?wait_ms=0", self.pod), ("DELETE", f"/pods/{self.pod['uid']}", None)):
                try:
                    self.answers.append(self.node.call(method, path, body)[0])
                except OSError as error:
                    self.answers.append(repr(error))

    def finish(self):
        self.stopping.set()
        self.join(30)
        return self.answers


def test_every_request_is_answered_while_agents_follow_one_another(node):
    node.start()
    assert node.enroll(node.pod("stays"))[0] == 200
    asking = [Requests(node, f"r{n}") for n in range(3)]
    for one in asking:
        one.start()
    for _ in range(ROUNDS):
        so_far = [len(one.answers) for one in asking]
        assert replace(node) == 0
        wait_until(lambda: all(len(one.answers) > n + 1 for one, n in zip(asking, so_far)), "answers of the next agent")
    for one in asking:
        assert set(one.finish()) == {200}
    assert node.pods().keys() == {"stays"} and node.pods()["stays"]["state"] == "captured"


def test_a_successor_that_cannot_start_leaves_the_former_serving(node):
    node.start()
    cookie = node.enroll(node.pod("u1"))[1]["netns_cookie"]
    former = node.processes[-1]
    good = list(node.command)
    node.command[node.command.index("--cgroup") + 1] = "/nonexistent"
    failing = node.start(wait=False)
    assert failing.wait(60) == 1
    node.command[:] = good
    wait_until(node.ready, "the former's answer")
    assert former.poll() is None
    assert node.pods()["u1"]["netns_cookie"] == cookie and node.enroll(node.pod("u2"))[0] == 200
    node.start(wait=False)
    assert former.wait(60) == 0
    wait_until(node.ready, "the successor's answer")
    assert node.pods().keys() == {"u1", "u2"}


def test_either_of_the_two_is_killed_at_any_time_and_one_serves(node):
    node.start()
    pod = node.pod("u1")
    cookie = node.enroll(pod)[1]["netns_cookie"]
    rng = random.Random(7)
    for turn in range(12):
        former = next(p for p in node.processes if p.poll() is None)
        successor = node.start(wait=False)
        time.sleep(rng.uniform(0, 0.4))
        (former, successor)[turn % 2].send_signal(signal.SIGKILL)
        (former, successor)[turn % 2].wait(60)
        time.sleep(0.1)
        if all(p.poll() is not None for p in node.processes):
            node.start(wait=False)  # it was killed after the former had ended: a crash like any other
        wait_until(node.ready, "one that serves")
        assert node.linked() == {cookie}
        assert node.pods()["u1"]["state"] == "captured"
        assert node.enroll(pod)[1]["netns_cookie"] == cookie
        wait_until(lambda: sum(p.poll() is None for p in node.processes) == 1, "one agent alone")
