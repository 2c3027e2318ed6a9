"""What Istio's documents say of PeerAuthentication and AuthorizationPolicy, written down once more.

It reads the objects as the API has them, not what control makes of them, so that compiler and
ztunnel are tested together. Pods are dictionaries: ns, account, labels, meshed, ips.
"""
import ipaddress

ROOT = "istio-system"
# What STRICT is converted into, for the objects that test_policy_model.py draws.
STRICT_POLICIES = {"istio-system/istio_converted_static_strict", "shop/converted_peer_authentication_web"}


def text_matches(pattern, text):
    if pattern == "*":
        return text != ""
    if pattern.startswith("*"):
        return text.endswith(pattern[1:])
    if pattern.endswith("*"):
        return text.startswith(pattern[:-1])
    return text == pattern


def selects(spec, pod):
    wanted = spec.get("selector", {}).get("matchLabels", {})
    return all(pod["labels"].get(key) == value for key, value in wanted.items())


def mtls_mode(objects, pod, port):
    """The closest level that is set: port, workload, namespace, mesh."""
    peers = [o for o in objects if o["kind"] == "PeerAuthentication"]
    own = [o["spec"] for o in peers if o["metadata"]["namespace"] == pod["ns"]]
    levels = []
    for spec in (s for s in own if "selector" in s and selects(s, pod)):
        levels += [spec.get("portLevelMtls", {}).get(port, {}), spec.get("mtls", {})]
    levels += [s.get("mtls", {}) for s in own if "selector" not in s]
    levels += [o["spec"].get("mtls", {}) for o in peers
               if o["metadata"]["namespace"] == ROOT and pod["ns"] != ROOT]
    return next((level["mode"] for level in levels if level.get("mode", "UNSET") != "UNSET"), "PERMISSIVE")


class Flow:
    """A connection as the destination's policies see it."""

    def __init__(self, objects, source, destination, family, port):
        self.mode = mtls_mode(objects, destination, port)
        tunneled = source["meshed"] and self.mode != "DISABLE"
        self.ns = source["ns"] if tunneled else ""
        self.principal = f"cluster.local/ns/{source['ns']}/sa/{source['account']}" if tunneled else ""
        self.ip = ipaddress.ip_address(source["ips"][family])
        self.to = ipaddress.ip_address(destination["ips"][family])
        self.port = str(port)

    def inside(self, address, block):
        network = ipaddress.ip_network(block)
        return network.version == address.version and address in network


FIELDS = {  # field: whether one of its values matches a flow
    "principals": lambda f, v: text_matches(v, f.principal),
    "namespaces": lambda f, v: text_matches(v, f.ns),
    "ipBlocks": lambda f, v: f.inside(f.ip, v),
    "ports": lambda f, v: v == f.port,
}
CONDITIONS = {"source.principal": FIELDS["principals"], "source.namespace": FIELDS["namespaces"],
              "source.ip": FIELDS["ipBlocks"], "destination.port": FIELDS["ports"],
              "destination.ip": lambda f, v: f.inside(f.to, v)}


def field_holds(flow, fields, name, test):
    wanted, unwanted = fields.get(name), fields.get("not" + name[0].upper() + name[1:], [])
    return ((wanted is None or any(test(flow, v) for v in wanted)) and
            not any(test(flow, v) for v in unwanted))


def rule_matches(rule, flow):
    def one_of(part, key):
        return key not in rule or any(
            all(field_holds(flow, entry[part], name, test) for name, test in FIELDS.items())
            for entry in rule[key])
    return (one_of("source", "from") and one_of("operation", "to") and
            all(field_holds(flow, c, "values", CONDITIONS[c["key"]]) for c in rule.get("when", [])))


def decide(objects, source, destination, family, port):
    """(whether it gets through, the names of the policies of which one is named for a refusal)."""
    flow = Flow(objects, source, destination, family, port)
    policies = [o for o in objects if o["kind"] == "AuthorizationPolicy"
                and o["metadata"]["namespace"] in (ROOT, destination["ns"]) and selects(o["spec"], destination)]

    def matching(action):
        return {name_of(o) for o in policies if o["spec"]["action"] == action
                and any(rule_matches(rule, flow) for rule in o["spec"].get("rules", []))}
    denied = matching("DENY")
    if flow.mode == "STRICT" and not flow.principal:
        denied |= STRICT_POLICIES
    if denied:
        return False, denied
    allows = {name_of(o) for o in policies if o["spec"]["action"] == "ALLOW"}
    return not allows or bool(matching("ALLOW")), allows


def name_of(o):
    return f"{o['metadata']['namespace']}/{o['metadata']['name']}"
