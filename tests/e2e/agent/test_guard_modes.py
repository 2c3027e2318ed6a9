"""The guard's mode by setting and by pod, interfaces that come later, and GET /sockets."""
import contextlib
import json
import os
import socket
import subprocess
import threading

import kernel
from lab import CULVERT, wait_until
from machine import run


def filters(netns):
    """Filters of the guard on the pod's interface, where the kernel has no tcx."""
    return run("tc", "filter", "show", "dev", "eth0", "egress", netns=netns).count("cv_guard direct-action")


def guards(node):
    """How many stand: as pinned tcx links, or as filters inside the pods' namespaces."""
    return len(os.listdir(node.pins / "guards")) + sum(map(filters, node.namespaces))


def modes(node):
    done = subprocess.run([CULVERT, "maps", "dump", "cv_pod", "-o", "json", "--bpf-dir", node.pins, "--state-dir",
                           node.state], capture_output=True, text=True, check=True)
    return {row["pod"]: row["guard"] for row in json.loads(done.stdout)}


def give_address(pod):
    name = os.path.basename(pod["netns"])
    for command in (["link", "add", "eth0", "type", "veth", "peer", "name", "far"], ["addr", "add", "10.78.0.5/24", "dev", "eth0"],
                    ["addr", "add", "10.78.0.6/24", "dev", "eth0"], ["link", "set", "eth0", "up"],
                    ["link", "set", "lo", "up"]):
        subprocess.run(["ip", "-n", name, *command], check=True)


def test_the_setting_is_for_pods_that_wish_for_nothing_and_wishes_outlive_the_agent(node):
    node.start()
    for uid, wish in (("u1", {}), ("u2", {"guard": "observe"}), ("u3", {"guard": "off"})):
        pod = node.pod(uid, **wish)
        give_address(pod)
        assert node.enroll(pod)[0] == 200
    assert modes(node) == {"shop/web-u1": "strict", "shop/web-u2": "observe", "shop/web-u3": "off"}
    assert guards(node) == 2
    assert node.call("POST", "/pods?wait_ms=0", node.pod("u4", guard="loose"))[0] == 400
    node.stop()
    node.command += ["--guard", "off"]
    node.start()
    assert modes(node) == {"shop/web-u1": "off", "shop/web-u2": "observe", "shop/web-u3": "off"}
    assert guards(node) == 1 and node.pods()["u2"]["guard"] == "observe"


def test_an_interface_that_comes_after_enrollment_is_guarded_soon(node):
    node.start()
    pod = node.pod("u1")
    assert node.enroll(pod)[0] == 200 and guards(node) == 0
    give_address(pod)
    wait_until(lambda: guards(node) == 1, "the guard")
    name = os.path.basename(pod["netns"])
    run("ip", "link", "del", "eth0", netns=name)
    give_address(pod)
    said = "is captured again" if kernel.has(kernel.TCX) else "had no guard while it was captured; it has one now"
    wait_until(lambda: guards(node) == 1 and said in node.log(), "the guard of the new interface")


def test_a_guard_that_root_in_the_pod_deletes_was_out_of_reach_or_is_soon_back_and_told(node):
    node.start()
    pod = node.pod("u1")
    give_address(pod)
    assert node.enroll(pod)[0] == 200 and guards(node) == 1
    run("tc", "qdisc", "del", "dev", "eth0", "clsact", netns=os.path.basename(pod["netns"]))
    if kernel.has(kernel.TCX):
        assert guards(node) == 1
    else:
        assert guards(node) == 0 and "had no guard" not in node.log()
        wait_until(lambda: guards(node) == 1, "the guard")
        assert "had no guard while it was captured; it has one now" in node.log()


def test_an_interface_whose_frames_cannot_be_judged_leaves_the_pod_refusing(node):
    node.start()
    pod = node.pod("u1")
    name = os.path.basename(pod["netns"])
    subprocess.run(["ip", "-n", name, "tuntap", "add", "eth0", "mode", "tun"], check=True)
    subprocess.run(["ip", "-n", name, "addr", "add", "10.78.0.5/24", "dev", "eth0"], check=True)
    status, answer = node.enroll(pod)
    assert status == 500 and "no Ethernet device" in answer["error"]
    assert node.pods()["u1"]["state"] == "failed"
    assert node.enroll(pod | {"guard": "off"})[0] == 200


def older_connection(pod, result):
    """Both ends of a connection between two addresses of the pod, made before any hook was there."""
    from ctypes import CDLL
    with open(pod["netns"]) as netns:
        assert CDLL(None).setns(netns.fileno(), 0x40000000) == 0  # this thread only
    listener = socket.create_server(("10.78.0.6", 80))
    caller = socket.create_connection(("10.78.0.6", 80), source_address=("10.78.0.5", 0))
    result += [caller, listener.accept()[0], listener]


def test_connections_older_than_enrollment_are_listed_and_ended_when_the_guard_becomes_strict(node):
    node.start()
    pod = node.pod("u1", guard="observe")
    give_address(pod)
    held = []
    thread = threading.Thread(target=older_connection, args=(pod, held))
    thread.start()
    thread.join()
    with contextlib.ExitStack() as stack:
        for s in held:
            stack.enter_context(s)
        assert node.enroll(pod)[0] == 200
        status, (listed,) = node.call("GET", "/sockets")
        assert status == 200 and listed["uid"] == "u1"
        assert sorted(s["remote"].rpartition(":")[0] for s in listed["sockets"]) == ["10.78.0.5", "10.78.0.6"]
        assert {s["state"] for s in listed["sockets"]} == {"ESTAB"}
        assert node.enroll(pod | {"guard": "strict"})[0] == 200
        assert node.call("GET", "/sockets")[1][0]["sockets"] == []
        assert "2 connections older than enrollment are ended" in node.log()
