"""Reads the tables: each file of tables/ is a subject, a list of groups; README.md says how a group is written."""
import copy
import dataclasses
import functools
import pathlib
import re

import yaml

TABLES = pathlib.Path(__file__).resolve().parent / "tables"
VERSIONS = ("v1", "v2", "v3")
SHOP = "shop"
# Who may send: namespace and labels. "outside" is no workload of the mesh.
CLIENTS = {
    "web": (SHOP, {"app": "web", "tier": "front"}),
    "admin": ("other", {"app": "admin", "tier": "front"}),
    "reader": ("books", {"app": "user"}),
    "outside": ("", {}),
}
# Where traffic enters from outside: name, namespace, port.
EDGES = {"edge": (f"{SHOP}/edge", 8080), "back": (f"{SHOP}/back", 8081)}
EXPECTED = {"to", "rule", "status", "flag", "path", "host", "sees", "gets", "location", "body", "mirrored", "shares",
            "delay", "abort", "timeout", "retries", "policy", "statPrefix", "labels", "why", "attempts", "took"}
ASKED = {"ask", "with", "from", "port", "via", "scheme", "authority", "to_service", "times", "servers", "note", "differs"}
GROUP = {"about", "http", "virtualService", "destinationRule", "more", "yaml", "file", "services", "refused", "cases", "reports",
         "envoy", "ownNamespace", "proxies"}
# Who asks where only proxies answer: one of the mesh, or anybody at an edge.
PROXIES = {"mesh", "edge"}


class BadTable(Exception):
    pass


@dataclasses.dataclass
class Case:
    group: "Group"
    number: int  # from 1 in its group
    given: dict

    @property
    def name(self):
        return f"{self.group.name}.{self.number}"

    def expected(self):
        return {key: value for key, value in self.given.items() if key in EXPECTED}


@dataclasses.dataclass
class Group:
    subject: str
    number: int  # from 1 in its file
    given: dict
    cases: list = dataclasses.field(default_factory=list)

    @property
    def name(self):
        return f"{self.subject}-{self.number}"

    @property
    def about(self):
        return self.given["about"]

    @property
    def refused(self):
        return self.given.get("refused", [])

    @property
    def proxies(self):
        """Not "" where the compiler and matcher alone cannot answer."""
        return self.given.get("proxies", "")

    def objects(self):
        """The group's objects, oldest first; [] where they are given as text."""
        given = self.given
        if "yaml" in given or "file" in given:
            return []
        out = []
        rule = given.get("destinationRule", {})
        if rule != "none":
            spec = {"host": "reviews", "subsets": [{"name": v, "labels": {"version": v}} for v in VERSIONS], **rule}
            out.append(api_object("DestinationRule", "reviews", spec))
        if "http" in given:
            spec = {"hosts": ["reviews"], **given.get("virtualService", {}), "http": given["http"]}
            out.append(api_object("VirtualService", "reviews", spec))
        out += [api_object(**one) for one in given.get("more", [])]
        return [{**one, "spec": full_rules(one["spec"])} if one["kind"] == "VirtualService" else one for one in out]

    def text(self):
        if "file" in self.given:
            return (TABLES.parents[2] / self.given["file"]).read_text()
        return self.given["yaml"] if "yaml" in self.given else yaml.safe_dump_all(self.objects(), sort_keys=False)

    def services(self):
        return [{"namespace": SHOP, "host": f"reviews.{SHOP}.svc.cluster.local", "ports": [80, 9090]},
                {"namespace": SHOP, "host": f"ratings.{SHOP}.svc.cluster.local", "ports": [80]},
                *self.given.get("services", [])]


def api_object(kind, name, spec, namespace=SHOP, apiVersion="networking.istio.io/v1"):
    return {"apiVersion": apiVersion, "kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def full_rules(spec):
    """`to: v2` and `mirror: ratings` of a rule written out."""
    spec = copy.deepcopy(spec)
    for rule in spec.get("http", []):
        if "to" in rule:
            rule["route"] = [{"destination": destination(rule.pop("to"))}]
    return spec


def destination(short):
    """"v2" is that subset of reviews, "any" all of it, another word a service."""
    if short in VERSIONS:
        return {"host": "reviews", "subset": short}
    return {"host": "reviews" if short == "any" else short}


def resets(servers):
    """`v2: reset once`: no answer comes, so that proxies alone know what to do."""
    return any(re.fullmatch(r"reset(?: (?:once|twice|always))?", text) for text in servers.values())


def question(case):
    """A case's request as conformance-decide takes it."""
    given = case.given
    method, _, path = given.get("ask", "GET /").partition(" ")
    namespace, labels = CLIENTS[given.get("from", "outside" if "via" in given else "web")]
    headers = []
    for name, value in given.get("with", {}).items():
        headers += [[name.lower(), str(one)] for one in (value if isinstance(value, list) else [value])]
    out = {"method": method, "path": path or "/", "scheme": given.get("scheme", "http"), "headers": headers,
           "namespace": namespace, "labels": labels, "authority": given.get("authority", "reviews"),
           "host": given.get("to_service", f"reviews.{SHOP}.svc.cluster.local"), "port": given.get("port", 80),
           "times": given.get("times", 1)}
    if "servers" in given and not resets(given["servers"]):
        out["script"] = script(given["servers"])
    if "via" in given:
        gateway, port = EDGES[given["via"]]
        out.update(gateway=gateway, host=out["authority"], port=given.get("port", port))
    return out


def script(servers):
    """`v2: 500 twice`, `v2: 503 with x-name once`, `v2: wait 3s once`, `v2: grpc 14 once` as the program takes it; without a number
    of times, always."""
    (subset, text), = servers.items()
    match = re.fullmatch(r"(?:wait (?P<wait>\w+)|grpc (?P<grpc>\d+)|(?P<status>\d{3})(?: with (?P<header>[\w-]+))?)(?: (?P<times>once|twice|always))?", text)
    if not match:
        raise BadTable(f"servers: {text!r} is no script")
    out = {"subset": subset, "times": {"once": 1, "twice": 2}.get(match["times"], 1_000_000)}
    if match["wait"]:
        out["waitMs"] = int(milliseconds(match["wait"]))
    if match["grpc"]:
        out["grpcStatus"] = int(match["grpc"])
    if match["status"]:
        out["status"] = int(match["status"])
    if match["header"]:
        out["header"] = match["header"]
    return out


def check(group):
    unknown = set(group.given) - GROUP
    for case in group.cases:
        unknown |= set(case.given) - EXPECTED - ASKED
        if not case.expected():
            raise BadTable(f"{case.name}: expects nothing")
    if unknown:
        raise BadTable(f"{group.name}: unknown: {', '.join(sorted(unknown))}")
    if group.given.get("proxies", "mesh") not in PROXIES:
        raise BadTable(f"{group.name}: proxies is one of {', '.join(sorted(PROXIES))}")
    if not group.cases and not group.refused:
        raise BadTable(f"{group.name}: has no case")


@functools.cache
def groups():
    """All groups of all tables."""
    out = []
    for path in sorted(TABLES.glob("*.yaml")):
        for number, given in enumerate(yaml.safe_load(path.read_text()), 1):
            group = Group(path.stem, number, given)
            group.cases = [Case(group, i, one) for i, one in enumerate(given.get("cases", []), 1)]
            check(group)
            out.append(group)
    return out


def cases():
    return [case for group in groups() for case in group.cases]


def count():
    """How many cases there are: a refused object is one."""
    return len(cases()) + sum(1 for group in groups() if group.refused)


def milliseconds(text):
    """"1.5s", "25ms", "15m" in milliseconds; anything else as it is."""
    match = re.fullmatch(r"([\d.]+)(ms|s|m|h)", str(text))
    scale = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}
    return float(match[1]) * scale[match[2]] if match else text
