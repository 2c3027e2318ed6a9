"""Policies as text."""
import json


def peer_authentication(ns, mode=None, name="default", selector=None, ports=None):
    spec = {}
    if mode:
        spec["mtls"] = {"mode": mode}
    if selector:
        spec["selector"] = {"matchLabels": selector}
    if ports:
        spec["portLevelMtls"] = {port: {"mode": port_mode} for port, port_mode in ports.items()}
    return api_object("PeerAuthentication", ns, name, spec)


def authorization(ns, name, action="ALLOW", rules=None, selector=None):
    spec = {"action": action}
    if rules is not None:
        spec["rules"] = rules
    if selector:
        spec["selector"] = {"matchLabels": selector}
    return api_object("AuthorizationPolicy", ns, name, spec)


def source(**fields):
    """The rules that one source makes: source(namespaces=["shop"])."""
    return [{"from": [{"source": fields}]}]


def operation(**fields):
    return [{"to": [{"operation": fields}]}]


def api_object(kind, ns, name, spec):
    """JSON is YAML; keys of integers become words, as YAML's would be read."""
    return json.dumps({"apiVersion": "security.istio.io/v1", "kind": kind,
                       "metadata": {"name": name, "namespace": ns}, "spec": spec}) + "\n"
