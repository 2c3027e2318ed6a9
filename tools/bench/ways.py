"""The ways between the same two pods: direct, Culvert, Envoy as the same pair of tunnels, and that pair once more
behind iptables rules, which is how other meshes redirect."""
import contextlib
import subprocess

import envoy
from labs import PORT, Failed, Lab, ended, load

# Path -> (client's pod, origin's pod).
PATHS = {"across": ("mesh/client", "mesh/far"), "near": ("mesh/client", "mesh/near"),
         "plain": ("plain/client", "plain/far")}
SECOND = "mesh/second"
ALL = ("direct", "culvert", "envoy", "iptables")


class Way:
    """How clients of one lab reach the origin on each path, and which processes carry it."""

    def __init__(self, name, lab, pids=(), dialed=None):
        self.name, self.lab, self.pids = name, lab, list(pids)
        self.targets = {path: f"{lab.ip(origin)}:{PORT}" for path, (_, origin) in PATHS.items()}
        self.targets.update(dialed or {})

    def client(self, path):
        return PATHS[path][0]

    def holders(self, path):
        """The pods that hold many connections."""
        return [self.client(path)]

    def run(self, path, word, *flags, timeout=120):
        """One load from the client of that path."""
        return load(self.lab, self.client(path), word, self.targets[path], *flags, timeout=timeout)


class Tunnelled(Way):
    """One pod gets less than half of a ztunnel's descriptors."""

    def holders(self, path):
        return [self.client(path), SECOND]


def culvert(lab):
    return Tunnelled("culvert", lab, [lab.pid("node/east/ztunnel"), lab.pid("node/west/ztunnel")])


@contextlib.contextmanager
def open_ways(names, options, word=""):
    """{name: Way} inside `with`. Direct and Envoy share a lab without the mesh: idle, neither costs the other."""
    with contextlib.ExitStack() as stack:
        out = {}
        if "direct" in names or "envoy" in names:
            bare = stack.enter_context(Lab(f"direct{word}", mesh=False))
        if "direct" in names:
            out["direct"] = Way("direct", bare)
        if "culvert" in names:
            out["culvert"] = culvert(stack.enter_context(Lab(f"culvert{word}")))
        if "envoy" in names:
            pair = stack.enter_context(envoy.Pair(bare, *PATHS["across"], threads=options.envoy_threads))
            out["envoy"] = Way("envoy", bare, pair.pids, {"across": pair.dialed})
        if "iptables" in names:
            ruled = stack.enter_context(Lab(f"iptables{word}", mesh=False))
            pair = stack.enter_context(envoy.Pair(ruled, *PATHS["across"], threads=options.envoy_threads))
            redirect(ruled, pair)
            out["iptables"] = Way("iptables", ruled, pair.pids)  # the client dials the origin itself
        for way in out.values():
            check(way, options.integrity_mib << 20)
        yield out


def redirect(lab, pair):
    """Rules as a mesh that redirects by iptables has them in its pods, though fewer: what the client sends to
    the origin goes to its Envoy, what arrives for the other Envoy is translated too. With the first such rule
    the kernel follows every packet of the pod in its connection table."""
    client, origin = PATHS["across"]
    far = lab.ip(origin)
    for where, chain, port, to in ((client, "OUTPUT", PORT, envoy.OUTBOUND_PORT),
                                   (origin, "PREROUTING", envoy.HBONE_PORT, envoy.HBONE_PORT)):
        rule = ["iptables", "-w", "-t", "nat", "-A", chain, "-p", "tcp", "-d", far, "--dport", port, "-j", "REDIRECT",
                "--to-ports", to]
        with ended(lab.popen(where, *rule, stderr=subprocess.PIPE)) as process:
            _, said = process.communicate(timeout=30)
        if process.returncode != 0:
            raise Failed(f"{' '.join(map(str, rule))}: {said}")


def check(way, size):
    """Both directions with every byte compared; tunnels are made and caches warm then."""
    for flags in (["--seconds", "0"], ["--down", "--every-byte"]):
        result = way.run("across", "bulk", "--bytes", size, *flags)
        if result["bytes"] != size:
            raise Failed(f"{way.name}: {result['bytes']} of {size} bytes arrived")
