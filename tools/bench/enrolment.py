"""How long it takes until pods are in the mesh: captured, handed to ztunnel, acknowledged by it."""
import concurrent.futures
import http.client
import json
import socket
import statistics
import time

from figures import say
from labs import NAMESPACE, NODES, SLEEP, Failed, Lab, culvert, pod
from report import row

PODS = 250
PATIENCE_S = 60


class UnixHttp(http.client.HTTPConnection):
    """The agent's admin socket."""

    def __init__(self, path):
        super().__init__("agent", timeout=60)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def ask_agent(path, method, target, body=None):
    connection = UnixHttp(path)
    connection.request(method, target, json.dumps(body) if body else None)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    if answer.status != 200:
        raise Failed(f"{method} {target} at the agent: {answer.status} {text}")
    return json.loads(text)



def known_pods(agent):
    """What GET /pods says, or nothing while the agent is not there."""
    try:
        return ask_agent(agent, "GET", "/pods")
    except OSError:
        return []


class Node:
    """The agent of one node of a lab, and the pods that it is to enroll."""

    def __init__(self, lab, name):
        self.lab, self.name = lab, name
        self.agent = f"/run/culvert/lab/{lab.name}/nodes/{name}/agent.sock"
        self.pins = next(one["bpf_dir"] for one in lab.status()["nodes"] if one["name"] == name)
        self.pods = [{key: one[key] for key in ("uid", "namespace", "name", "service_account", "netns", "ips")}
                     for one in lab.status()["pods"]]
        self.each_ms = []

    def enroll(self, one):
        before = time.monotonic()
        answer = ask_agent(self.agent, "POST", "/pods?wait_ms=30000", one)
        if answer["ztunnel"] != "acked":
            raise Failed(f"pod {one['name']} was not acknowledged: {answer}")
        self.each_ms.append((time.monotonic() - before) * 1e3)

    def remove_all(self):
        with concurrent.futures.ThreadPoolExecutor(8) as several:
            list(several.map(lambda one: ask_agent(self.agent, "DELETE", f"/pods/{one['uid']}"), self.pods))

    def one_after_the_other(self):
        begin = time.monotonic()
        for one in self.pods:
            self.enroll(one)
        return time.monotonic() - begin

    def all_at_once(self):
        with concurrent.futures.ThreadPoolExecutor(len(self.pods)) as all_of_them:
            begin = time.monotonic()
            list(all_of_them.map(self.enroll, self.pods))
            return time.monotonic() - begin

    def known_at_the_start(self):
        """Agent and ztunnel start on a node that has the pods but nothing in the kernel, as after unloading."""
        for part in ("agent", "ztunnel"):
            culvert("lab", "kill", "--name", self.lab.name, "--hold", f"node/{self.name}", part)
        self.lab.unload(self.pins)
        begin = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(2) as both:
            list(both.map(lambda part: culvert("lab", "restart", "--name", self.lab.name, f"node/{self.name}", part),
                          ("agent", "ztunnel")))
        while not (known := known_pods(self.agent)) or any(one["ztunnel"] != "acked" for one in known):
            if time.monotonic() > begin + PATIENCE_S:
                raise Failed(f"not all of {len(known)} pods are acknowledged {PATIENCE_S} s after the start")
            time.sleep(0.02)
        if len(known) != len(self.pods):
            raise Failed(f"{len(known)} of {len(self.pods)} pods are known after the start")
        return time.monotonic() - begin


def measure_enrolment(options):
    """Pods that run already are taken out of the mesh and enrolled again, as a container runtime's plug-in would
    ask for it: one after the other, all at once; and a start of agent and ztunnel that finds them all."""
    count = 20 if options.quick else PODS
    sleepers = "".join(pod("mesh", f"sleeper{i}", "east", SLEEP) for i in range(count))
    say(f"enrolment: bringing {count} pods up")
    begin = time.monotonic()
    ways = {"one_after_the_other": [], "all_at_once": [], "known_at_the_start": []}
    with Lab("enrol", NODES + NAMESPACE + sleepers) as lab:
        up_s = time.monotonic() - begin
        node = Node(lab, "east")
        for _ in range(options.rounds):
            for way, rounds in ways.items():
                if way != "known_at_the_start":
                    node.remove_all()
                rounds.append(getattr(node, way)())
                say(f"enrolment of {count} pods, {way.replace('_', ' ')}: {rounds[-1]:.2f} s")
    rows = [row(f"enrolment_{count}", f"{count} pods enrolled, one after the other", "s",
                {"culvert": ways["one_after_the_other"]}),
            row(f"enrolment_{count}_at_once", f"{count} pods enrolled, all at once", "s", {"culvert": ways["all_at_once"]}),
            row(f"enrolment_{count}_start", f"{count} pods known when agent and ztunnel start", "s",
                {"culvert": ways["known_at_the_start"]}),
            row("enrolment_each", "  a pod: median", "ms", {"culvert": [statistics.median(node.each_ms)]})]
    return rows, {"pods": count, "lab_up_s": up_s, "rounds_s": ways}
