"""All that crosses from one thread to another, at once, with several data threads: snapshots, certificates, pods,
counters, log lines, questions of administrators, restarts. A race fails it where the daemons are built with
ThreadSanitizer (stage "threads" of tests/run); with any build nothing that was open is cut."""
import concurrent.futures
import os
import subprocess

import pytest
from flows import NODES, client_pod, meshed
from lab import Lab, wait_until
from lifecycle import Flood, Steady, draining, echo_pod, successor
from objects import authorization, source

pytestmark = pytest.mark.threads
ROUNDS, OPEN, A_SECOND, EACH_MS = 3, 40, 20, 200
FLAGS = ["--ztunnel-flag=--workers=3", "--ztunnel-flag=--log-level=debug", "--control-flag=--certificate-lifetime=10"]
AT_ONCE = 24  # requests for the same page, by a client that keeps four under way
PAGES = [("GET", "15000/config_dump"), ("GET", "15000/connections?limit=20"), ("GET", "15000/logging"),
         ("GET", "15020/metrics"), ("GET", "15021/healthz/ready"), ("GET", "15000/debug/pprof/heap?debug=1"),
         ("POST", "15000/logging?level=access:info&access_filter=sample%3D0.5"), ("POST", "15000/logging?reset")]
BUSY = "503"  # the loop did not get to the question in time: so it may be on a loaded machine
PROFILE = ("GET", "15000/debug/pprof/profile?seconds=1&frequency=50")


@pytest.fixture(scope="module")
def lab(programs):
    pods = NODES + meshed("shop") + client_pod("shop", "alpha", "east") + client_pod("shop", "beta", "west")
    pods += echo_pod("shop", "far", "west", programs) + echo_pod("shop", "near", "east", programs)
    with Lab(f"life-threads-{os.getpid()}", pods, flags=FLAGS) as lab:
        yield lab


def statuses(lab, node, page, times):
    """What so many requests for a page, many at a time, are answered with."""
    method, path = page
    done = lab.exec(f"node/{node}", "curl", "-sS", "-m", "120", "-Z", "--parallel-max", "4", "-X", method,
                    "-o", "/dev/null", "-w", "%{http_code}\\n", f"http://127.0.0.1:{path}#[1-{times}]", check=True, timeout=600)
    return done.stdout.split()


def told(lab, *socket):
    path = "/".join(["/run/culvert/lab", lab.name, *socket])
    return subprocess.run(["curl", "-sS", "-m", "30", "--fail", "--unix-socket", path, "http://daemon/status"], check=True,
                          capture_output=True).stdout


def administrators(pool, lab):
    """Everybody asks everything, while pods and policies come and go."""
    answers = {(node, page): pool.submit(statuses, lab, node, page, AT_ONCE)
               for node in ("east", "west") for page in PAGES}
    answers |= {(node, PROFILE): pool.submit(statuses, lab, node, PROFILE, 1) for node in ("east", "west")}
    others = [pool.submit(told, lab, "control", "admin.sock")]
    policy = lab.path(authorization("shop", "no-nobody", "DENY", source(principals=["*/sa/nobody"])))
    lab.apply(policy)
    lab.apply(client_pod("shop", "guest", "west"))
    lab.delete("-f", policy)
    lab.delete("Pod", "shop/guest")
    for key, answer in answers.items():
        assert "200" in answer.result() and set(answer.result()) <= {"200", BUSY}, (key, answer.result())
    for answer in others:
        assert answer.result()


def test_nothing_races_while_everything_changes(lab, programs):
    ips = [lab.ips("shop/far")[0], lab.ips("shop/near")[0]]
    held = [Steady(lab, programs, f"shop/{name}", ips, OPEN, EACH_MS) for name in ("alpha", "beta")]
    floods = [Flood(lab, programs, f"shop/{name}", ips, A_SECOND) for name in ("alpha", "beta")]
    for one in held:
        one.wait_open(OPEN)
    with concurrent.futures.ThreadPoolExecutor(max_workers=20) as pool:
        for _ in range(ROUNDS):
            administrators(pool, lab)
    for one in floods:
        one.flows(3 * A_SECOND)
    successor(lab, "east")
    lab.restart("node/west", "agent")
    lab.kill("control")
    with concurrent.futures.ThreadPoolExecutor(max_workers=20) as pool:
        wait_until(lambda: lab.status()["healthy"], "control is back", timeout=180)
        administrators(pool, lab)
    for one in floods:
        one.flows(3 * A_SECOND)
        one.stop()
    for one in held:
        one.rounds(3, EACH_MS)
        assert one.stop()["failed"] == 0
    wait_until(lambda: not draining(lab, "east"), "the former ztunnel's end", timeout=180)
