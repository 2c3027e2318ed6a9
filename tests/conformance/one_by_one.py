"""The tables' groups that cannot stand beside others: at an edge, with wildcards, ServiceEntries, services of their own, broken objects, or
as text. One lab in which the services have the tables' own names, and each group's objects come and go.
"""
import contextlib

import yaml

import tables
from tables import api_object
from waypoint_lab import HERE, Lab, asked_here, pod, served_here, watched

# Pods by what they answer as; books.example and the like are of no mesh, and answer for every ServiceEntry.
ECHOES = {"shop/reviews-v1": "v1", "shop/reviews-v2": "v2", "shop/reviews-v3": "v3", "shop/ratings": "ratings", "other/reviews": "reviews.other",
          "books/reviews-v1": "reviews.books-v1", "books/reviews-v2": "reviews.books-v2", "books/reviews-v3": "reviews.books-v3",
          "default/books": "books.example"}
CLIENTS = {"web": "shop/web", "admin": "other/admin", "reader": "books/user", "edge": "default/outside", "back": "default/outside"}
PROXIES = ["shop/waypoint-1", "gateways/waypoint-1", "shop/edge"]
PORTS = {"reviews": {"http": 80, "http-more": 9090}, "ratings": {"http": 80}, "books": {"http": 8080}}
OF_GATEWAYS = {"istio.io/use-waypoint": "waypoint", "istio.io/use-waypoint-namespace": "gateways"}


def asked(case):
    """Whether one client, of the mesh or outside of an edge, can ask it."""
    given = case.given
    if "via" in given:
        return watched.askable(case) and given.get("times", 1) == 1
    return (given.get("from", "web") in CLIENTS and asked_here(tables.Case(case.group, case.number, {**given, "from": "web"}))
            and not (given.get("flag") == "NC" and "port" in given))  # a service has no such port


def groups():
    """(group, its cases) that are asked here."""
    out = []
    for group in tables.groups():
        alone = not served_here(group)
        cases = [case for case in group.cases if asked(case) and (alone or "via" in case.given)]
        if cases:
            out.append((group, cases))
    return out


def service(namespace, name, ports, labels=None):
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace, "labels": labels or {}},
            "spec": {"ipFamilyPolicy": "PreferDualStack", "selector": {"app": name},
                     "ports": [{"name": key, "port": port, "targetPort": 8080} for key, port in ports.items()]}}


def services_of_shop(labels=None):
    return [service("shop", name, PORTS[name], labels) for name in ("reviews", "ratings")]


def gateway(name, port):
    spec = {"selector": {"istio": "ingress"}, "servers": [{"port": {"number": port, "name": "http", "protocol": "HTTP"}, "hosts": ["*"]}]}
    return api_object("Gateway", name, spec)


def world():
    ambient = {"istio.io/dataplane-mode": "ambient"}
    of_shop = {"istio.io/use-waypoint": "waypoint", "istio.io/use-waypoint-namespace": "shop"}
    out = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {**ambient, **more}}}
           for name, more in (("shop", of_shop), ("other", of_shop), ("books", of_shop), ("gateways", {}))]
    for namespace in ("shop", "gateways"):
        listener = {"name": "mesh", "port": 15008, "protocol": "HBONE", "allowedRoutes": {"namespaces": {"from": "All"}}}
        out.append({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": {"name": "waypoint", "namespace": namespace},
                    "spec": {"gatewayClassName": "culvert-waypoint", "listeners": [listener]}})
    for place, name in ECHOES.items():
        namespace, _, own = place.partition("/")
        app, _, version = own.partition("-")
        out.append(pod(own, namespace, {"app": app, "version": version or ("v1" if app == "books" else "v2"), "track": "stable"}, "python3", str(HERE / "echo.py"), name,
                       "--port", "8080", ports=[8080]))
    for name in ("web", "admin", "reader"):
        namespace, _, own = CLIENTS[name].partition("/")
        out.append(pod(own, namespace, tables.CLIENTS[name][1], "sleep", "100000"))
    proxy = pod("edge", "shop", {"istio": "ingress"})
    proxy["spec"]["containers"] = [{"name": "proxy", "image": "culvert-waypoint"}]
    out += [proxy, pod("outside", "default", {}, "sleep", "100000"), service("other", "reviews", {"http": 80}),
            service("books", "reviews", PORTS["books"]), *services_of_shop()]
    out += [gateway(place.partition("/")[2], port) for place, port in tables.EDGES.values()]
    return yaml.safe_dump_all(out, sort_keys=False)


class OneByOne:
    """The lab, and what it answers a group's cases."""

    def __init__(self, lab):
        self.lab, self.labels = lab, {}
        self.ips = {place: lab.ips(place) for place in ("shop/edge", "default/books")}
        self.addresses = {}  # of hosts outside the mesh, [IPv4, IPv6] each

    def address(self, host):
        number = len(self.addresses) + 9
        return self.addresses.setdefault(host, [f"240.0.0.{number}", f"2001:2::{number:x}"])

    def entry(self, name, spec):
        """A ServiceEntry at addresses that clients know, whose endpoint is our pod."""
        labels = (spec.get("endpoints") or [{}])[0].get("labels", {})
        spec = {**spec, "addresses": self.address(spec["hosts"][0]), "resolution": "STATIC",
                "ports": [{**port, "targetPort": 8080} for port in spec["ports"]],
                "endpoints": [{"address": ip, "labels": labels} for ip in self.ips["default/books"]]}
        return api_object("ServiceEntry", name, spec)

    def objects(self, group):
        """The group's objects as text, and the services that only it has."""
        entries = [self.entry(f"own-{i}", {"hosts": [one["host"]], "ports": [{"number": port, "name": "http", "protocol": "HTTP"}
                                                                            for port in one["ports"]]})
                   for i, one in enumerate(group.given.get("services", [])) if not one["host"].endswith(".cluster.local")]
        if group.objects():
            known = [self.entry(one["metadata"]["name"], one["spec"]) if one["kind"] == "ServiceEntry" else one for one in group.objects()]
            for age, one in enumerate(known):  # of one age, they go by their names
                one["metadata"]["name"] = f"o{age}-{one['metadata']['name']}"
            return yaml.safe_dump_all(entries + known, sort_keys=False)
        return group.text() + "".join("\n---\n" + yaml.safe_dump(one) for one in entries)

    @contextlib.contextmanager
    def in_force(self, group, cases):
        """The group's objects, and waypoints where it has them, inside `with`. An edge tells no waypoint of subsets: there are none then."""
        labels = {"istio.io/use-waypoint": "none"} if any("via" in case.given for case in cases) else (
            OF_GATEWAYS if group.given.get("ownNamespace") == "gateways" else {})
        if labels != self.labels:
            self.lab.apply(yaml.safe_dump_all(services_of_shop(labels)))
            self.labels = labels
        objects = self.objects(group)
        done = self.lab.apply(objects, check=not group.refused)
        assert (done.returncode == 0) == (not group.refused), done.stdout + done.stderr
        yield
        for one in yaml.safe_load_all(objects):  # one by one: what was refused has to go by its name
            if one:
                self.lab.delete(one["kind"], f"{one['metadata']['namespace']}/{one['metadata']['name']}", check=False)

    def place(self, case, family):
        asked, at = tables.question(case), 0 if family == 4 else 1
        if "via" in case.given:
            return [self.ips["shop/edge"][at], tables.EDGES[case.given["via"]][1]]
        host = asked["host"]
        return [host if host.endswith(".cluster.local") else self.address(host)[at], asked["port"]]

    def answers(self, group, cases):
        asked = []
        for case in cases:
            here = tables.Case(group, case.number, dict(case.given))
            if "via" not in case.given:
                here.given.setdefault("authority", tables.question(case)["host"].removesuffix(".cluster.local").removesuffix(".svc")
                                      .removesuffix(".shop").removesuffix(".books"))
            if "servers" in case.given and "books" in here.given.get("to_service", ""):
                here.given["servers"] = {f"reviews.books-{version}": text for version, text in case.given["servers"].items()}
            client = CLIENTS[case.given.get("via", case.given.get("from", "web"))]
            asked += [(client, here, self.place(case, family), family) for family in (4, 6)]
        with self.in_force(group, cases):
            # One after the other, else a group that limits connections to one refuses the other family's.
            at_once = 16 if any("times" in case.given for case in cases) else 1
            return watched.ask(self.lab, asked, PROXIES, ECHOES, at_once)


@contextlib.contextmanager
def made(name):
    with Lab(name, world(), flags=watched.FLAGS) as lab:
        yield OneByOne(lab)
