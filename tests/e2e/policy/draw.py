"""Random sets of policies, drawn from values that the pods of one small lab make meaningful."""
import random

from flows import NODES, client_pod, meshed, server_pod
from model import ROOT

PORTS = (8080, 9090)
SERVERS = {"shop/web": {"app": "web", "tier": "a"}, "shop/stock": {"app": "stock", "tier": "a"}, "bank/vault": {"app": "web"}}
CLIENTS = {"shop/near": "near", "shop/far": "far", "bank/teller": "teller", "bank/near-teller": "teller",
           "default/beside": "beside", "default/outside": "outside"}
PODS = (NODES + meshed("shop", "bank") +
        server_pod("shop", "web", "east", labels="{app: web, tier: a}") +
        server_pod("shop", "stock", "west", labels="{app: stock, tier: a}") +
        server_pod("bank", "vault", "east", labels="{app: web}") +
        client_pod("shop", "near", "east") + client_pod("shop", "far", "west") +
        client_pod("bank", "teller", "west") + client_pod("bank", "near-teller", "east", "teller") +
        client_pod("default", "beside", "east") + client_pod("default", "outside", "west"))


class Draw:
    """Objects of the API, drawn from values that these pods make meaningful."""

    def __init__(self, seed, mesh):
        self.random = random.Random(seed)
        ips = [mesh.ip(pod, family) for pod in CLIENTS for family in (4, 6)]
        networks = {ip.rsplit(".", 1)[0] + ".0/24" if "." in ip else ip.rsplit("::", 1)[0] + "::/64" for ip in ips}
        blocks = ips + sorted(networks) + ["0.0.0.0/0", "::/0", "192.0.2.0/24"]
        servers = [mesh.ip(pod, family) for pod in SERVERS for family in (4, 6)]
        accounts = [f"cluster.local/ns/{pod.split('/')[0]}/sa/{account}" for pod, account in CLIENTS.items()]
        self.values = {
            "principals": accounts + ["*", "cluster.local/ns/shop/*", "*/sa/teller", "other/ns/shop/sa/far"],
            "namespaces": ["shop", "bank", "default", "*", "s*", "*nk"],
            "ipBlocks": blocks,
            "ports": [str(port) for port in PORTS] + ["1"]}
        self.conditions = {"source.principal": self.values["principals"], "source.namespace": self.values["namespaces"],
                           "source.ip": blocks, "destination.port": self.values["ports"], "destination.ip": servers}

    def chance(self, probability):
        return self.random.random() < probability

    def some(self, values):
        return self.random.sample(values, self.random.randint(1, 2))

    def fields(self, names):
        """One field or more, in its positive or negative form or both."""
        out = {}
        for name in self.random.sample(names, self.random.randint(1, len(names))):
            form = self.random.random()
            if form < 0.7:
                out[name] = self.some(self.values[name])
            if form > 0.6:
                out["not" + name[0].upper() + name[1:]] = self.some(self.values[name])
        return out

    def condition(self):
        key = self.random.choice(sorted(self.conditions))
        return {"key": key, self.random.choice(["values", "notValues"]): self.some(self.conditions[key])}

    def rule(self):
        rule = {}
        if self.chance(0.7):
            rule["from"] = [{"source": self.fields(["principals", "namespaces", "ipBlocks"])}
                            for _ in range(self.random.randint(1, 2))]
        if self.chance(0.4):
            rule["to"] = [{"operation": self.fields(["ports"])} for _ in range(self.random.randint(1, 2))]
        if self.chance(0.3):
            rule["when"] = [self.condition()]
        return rule

    def selector(self):
        return {"matchLabels": self.random.choice([{"app": "web"}, {"app": "stock"}, {"tier": "a"}])}

    def authorization(self, name):
        spec = {"action": self.random.choice(["ALLOW", "DENY"])}
        least = 1 if spec["action"] == "DENY" else 0
        if rules := [self.rule() for _ in range(self.random.randint(least, 3))]:
            spec["rules"] = rules
        if self.chance(0.5):
            spec["selector"] = self.selector()
        return self.object("AuthorizationPolicy", self.random.choice(["shop", "bank", ROOT]), name, spec)

    def peer_authentications(self):
        modes = ["STRICT", "PERMISSIVE", "DISABLE", "UNSET"]
        out = []
        for ns in ("shop", "bank", ROOT):
            if self.chance(0.3):
                out.append(self.object("PeerAuthentication", ns, "default", {"mtls": {"mode": self.random.choice(modes)}}))
        if self.chance(0.4):
            ports = {port: {"mode": self.random.choice(modes)} for port in PORTS if self.chance(0.6)}
            spec = {"selector": {"matchLabels": {"app": "web"}}, "mtls": {"mode": self.random.choice(modes)}}
            out.append(self.object("PeerAuthentication", "shop", "web", {**spec, "portLevelMtls": ports} if ports else spec))
        return out

    def object(self, kind, ns, name, spec):
        return {"apiVersion": "security.istio.io/v1", "kind": kind, "metadata": {"name": name, "namespace": ns}, "spec": spec}

    def objects(self):
        return self.peer_authentications() + [self.authorization(f"p{i}") for i in range(self.random.randint(1, 4))]


def facts(mesh, key, labels, account):
    return {"ns": key.split("/")[0], "account": account, "labels": labels, "meshed": not key.startswith("default/"),
            "ips": {family: mesh.ip(key, family) for family in (4, 6)}}
