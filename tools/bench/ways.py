"""The ways between the same two pods: direct, Culvert, and Envoy as the same pair of tunnels."""
import contextlib

import envoy
from labs import PORT, Failed, Lab, load

# Path -> (client's pod, origin's pod).
PATHS = {"across": ("mesh/client", "mesh/far"), "near": ("mesh/client", "mesh/near"),
         "plain": ("plain/client", "plain/far")}
ALL = ("direct", "culvert", "envoy")


class Way:
    """How clients of one lab reach the origin on each path, and which processes carry it."""

    def __init__(self, name, lab, pids=(), dialed=None):
        self.name, self.lab, self.pids = name, lab, list(pids)
        self.targets = {path: f"{lab.ip(origin)}:{PORT}" for path, (_, origin) in PATHS.items()}
        self.targets.update(dialed or {})

    def client(self, path):
        return PATHS[path][0]

    def run(self, path, word, *flags, timeout=120):
        """One load from the client of that path."""
        return load(self.lab, self.client(path), word, self.targets[path], *flags, timeout=timeout)


def culvert(lab):
    return Way("culvert", lab, [lab.pid("node/east/ztunnel"), lab.pid("node/west/ztunnel")])


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
        for way in out.values():
            check(way, options.integrity_mib << 20)
        yield out


def check(way, size):
    """Both directions with every byte compared; tunnels are made and caches warm then."""
    for flags in (["--seconds", "0"], ["--down", "--every-byte"]):
        result = way.run("across", "bulk", "--bytes", size, *flags)
        if result["bytes"] != size:
            raise Failed(f"{way.name}: {result['bytes']} of {size} bytes arrived")
