"""The admin API: enrolling and removing pods, and what it refuses."""
import os
import socket
import stat
import subprocess
import sys

import pytest

from lab import wait_until
from node import AGENT

pytestmark = pytest.mark.sanitized

CONNECT = """
import socket, sys
s = socket.socket(); s.settimeout(3)
try:
    s.connect(("10.78.0.9", 80)); print("connected")
except OSError as e:
    print(e.errno)
"""


def connect_in(node, netns):
    """What connect(2) says in the namespace, from a process of the captured cgroup."""
    def enter():
        (node.cgroup / "cgroup.procs").write_text(str(os.getpid()))
    command = ["ip", "netns", "exec", os.path.basename(netns), sys.executable, "-c", CONNECT]
    return subprocess.run(command, preexec_fn=enter, capture_output=True, text=True, check=True).stdout.strip()


def test_an_enrolled_pod_is_captured_and_a_removed_one_is_not(node):
    node.start()
    pod = node.pod("u1")
    assert connect_in(node, pod["netns"]) == "101"  # ENETUNREACH: no route, no capture
    status, answer = node.enroll(pod)
    assert status == 200 and answer["uid"] == "u1" and answer["ztunnel"] == "pending"
    assert node.linked() == {answer["netns_cookie"]}
    assert connect_in(node, pod["netns"]) in ("111", "101")
    listed = node.pods()["u1"]
    assert listed["state"] == "captured" and listed["ips"] == pod["ips"] and listed["error"] == ""
    assert node.call("DELETE", "/pods/u1") == (200, {"uid": "u1", "removed": True})
    assert node.call("DELETE", "/pods/u1") == (200, {"uid": "u1", "removed": False})
    assert node.pods() == {} and node.linked() == set()


def test_a_captured_pod_without_ztunnel_refuses(node):
    node.start()
    pod = node.pod("u1")
    name = os.path.basename(pod["netns"])
    for command in (["link", "set", "lo", "up"], ["addr", "add", "10.78.0.5/24", "dev", "lo"]):
        subprocess.run(["ip", "-n", name, *command], check=True)
    assert node.enroll(pod)[0] == 200
    assert connect_in(node, pod["netns"]) == "111"
    node.stop()
    assert connect_in(node, pod["netns"]) == "111"


def test_enrolling_twice_is_the_same_as_once(node):
    node.start()
    pod = node.pod("u1")
    assert node.enroll(pod) == node.enroll(pod)
    assert len(node.pods()) == 1


def test_the_same_uid_in_a_new_sandbox_replaces_the_old(node):
    node.start()
    old, new = node.pod("u1"), node.namespace("new")
    first = node.enroll(old)[1]["netns_cookie"]
    second = node.enroll(old | {"netns": new})[1]["netns_cookie"]
    assert first != second and node.pods()["u1"]["netns_cookie"] == second
    node.delete_namespace(old["netns"])
    wait_until(lambda: node.linked() == {second}, "the old sandbox's release")


def test_refusals_are_json_with_the_next_step(node):
    node.start()
    good = node.pod("u1")
    assert node.enroll(good)[0] == 200
    for body, expected in [("{", 400), ("[]", 400), ({}, 400), (good | {"ips": ["127.0.0.1"]}, 400),
                           (good | {"uid": "../x"}, 400), (good | {"netns": "/run/netns/none"}, 400),
                           (good | {"netns": "/etc/passwd"}, 400), (good | {"netns": "/proc/self/ns/mnt"}, 400),
                           (good | {"netns": "/proc/self/ns/net"}, 400), (good | {"extra": 1}, 400),
                           (good | {"uid": "u2"}, 409)]:
        status, answer = node.call("POST", "/pods", body)
        assert status == expected, (body, answer)
        assert answer["error"] and answer["next"], answer
    status, answer = node.call("GET", "/nothing")
    assert status == 404 and "GET /pods" in answer["next"]
    assert node.call("POST", "/pods?wait_ms=x", good)[0] == 400
    assert list(node.pods()) == ["u1"]


def test_sockets_and_state_are_for_root_only(node):
    node.start()
    for path in (node.admin, node.zds):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    node.enroll(node.pod("u1"))
    assert stat.S_IMODE((node.state / "pods.json").stat().st_mode) == 0o600


def test_a_second_agent_with_the_same_pins_and_another_state_is_refused(node):
    """With the same state folder it would take over: test_succession.py."""
    node.start()
    other = node.folder / "other"
    second = subprocess.run([AGENT, "run", "--node", "n1", "--bpf-dir", node.pins, "--cgroup", node.cgroup,
                             "--admin-socket", f"{other}.agent", "--zds-socket", f"{other}.zds", "--state-dir", other],
                            capture_output=True, text=True, timeout=120)
    assert second.returncode != 0 and "another agent works with" in second.stderr
    assert node.ready()


def test_a_wrong_command_line_says_which_option(node):
    for arguments, word in [(["--outbound-ports", "300-315"], "--outbound-ports"),
                            (["--exclude-cidr", "10.0.0.0/99"], "--exclude-cidr"), ([], "--node")]:
        base = ["--bpf-dir", node.pins, "--cgroup", node.cgroup, "--admin-socket", node.admin, "--zds-socket",
                node.zds, "--state-dir", node.state] + (["--node", "n1"] if arguments else [])
        done = subprocess.run([AGENT, "run", *base, *arguments], capture_output=True, text=True, timeout=120)
        assert done.returncode != 0 and word in done.stderr + done.stdout


def test_a_slow_client_does_not_stop_the_others(node):
    node.start()
    silent = [socket.socket(socket.AF_UNIX) for _ in range(3)]
    for s in silent:
        s.connect(str(node.admin))
    assert node.call("GET", "/pods") == (200, [])
    for s in silent:
        s.close()
