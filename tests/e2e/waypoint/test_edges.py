"""Edges in a lab: one pod serves all Gateways that select it, as they come and go; and what a refused object means."""
import concurrent.futures
import json
import os
import pathlib
import re

import pytest
import yaml

from lab import Lab, wait_until

RUN = os.getpid()
ECHO = pathlib.Path(__file__).resolve().parents[2] / "conformance/echo.py"


def pod(namespace, name, command, labels=None, image=None):
    container = {"name": "main", "image": image} if image else {"name": "main", "command": [str(word) for word in command]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace, "labels": labels or {}},
            "spec": {"serviceAccountName": name, "containers": [container]}}


def echo(namespace, name):
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace},
               "spec": {"ipFamilyPolicy": "PreferDualStack", "selector": {"app": name}, "ports": [{"name": "http", "port": 8080}]}}
    return [pod(namespace, name, ["python3", ECHO, name, "--port", "8080"], {"app": name}), service]


def istio(kind, name, spec, namespace="shop"):
    return {"apiVersion": "networking.istio.io/v1", "kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def gateway(name, servers, namespace="shop"):
    """`servers`: hosts by port."""
    return istio("Gateway", name, {"selector": {"istio": "ingress"}, "servers": [
        {"port": {"number": port, "name": f"http-{port}", "protocol": "HTTP"}, "hosts": hosts} for port, hosts in servers.items()]}, namespace)


def rules(name, host, gateways, to, namespace="shop"):
    return istio("VirtualService", name, {"hosts": [host], "gateways": gateways,
                                          "http": [{"route": [{"destination": {"host": to}}]}]}, namespace)


def text(objects):
    return yaml.safe_dump_all(objects, sort_keys=False)


AMBIENT = {"istio.io/dataplane-mode": "ambient"}
WORLD = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": AMBIENT}} for name in ("shop", "bank")]
WORLD += echo("shop", "web") + echo("bank", "vault")
WORLD += [pod("shop", "edge", None, {"istio": "ingress"}, image="culvert-waypoint"),
          pod("default", "outside", ["sleep", "100000"]), pod("shop", "client", ["sleep", "100000"])]


@pytest.fixture(scope="module")
def lab():
    with Lab(f"ctl-edges-{RUN}", text(WORLD)) as made:
        yield made


def ask(lab, port, host, family=0, *flags):
    """The name of the server that answered, or the status, or "refused" when nobody listens."""
    ip = lab.ips("shop/edge")[family]
    at = f"[{ip}]" if ":" in ip else ip
    done = lab.exec("default/outside", "curl", "-sS", "--max-time", "15", "-w", "\n%{http_code}", "-H", f"Host: {host}", *flags,
                    f"http://{at}:{port}/")
    body, _, status = done.stdout.rpartition("\n")
    if done.returncode == 7:
        return "refused"
    assert done.returncode == 0, done.stderr
    return json.loads(body)["version"] if status == "200" else int(status)


def server(lab, path):
    """What shop/web's own server says to itself."""
    return json.loads(lab.exec("shop/web", "curl", "-sS", f"http://localhost:8080{path}", check=True).stdout)


def becomes(lab, port, host, what):
    wait_until(lambda: ask(lab, port, host) == what, f"{host} at {port} answers {what}, not {ask(lab, port, host)}")


def test_one_edge_serves_all_gateways_that_select_it_with_the_hosts_of_each(lab):
    lab.apply(text([
        gateway("one", {8000: ["./www.example", "bank/bank.example"], 8001: ["*"]}),
        gateway("two", {8002: ["*.example"]}, "bank"),
        rules("www", "www.example", ["one", "bank/two"], "web"),
        rules("theirs", "www.example", ["shop/one"], "vault", "bank"),
        rules("bank", "bank.example", ["shop/one"], "vault", "bank"),
        rules("inside", "api.example", ["mesh"], "web")]))
    becomes(lab, 8000, "www.example", "web")  # ./: the Gateway's own namespace
    becomes(lab, 8002, "www.example", "web")
    for family in (0, 1):
        assert ask(lab, 8000, "bank.example", family) == "vault"  # bank/: that namespace's
        assert ask(lab, 8001, "bank.example", family) == "vault"
        assert ask(lab, 8000, "www.example", family) == "web"
        assert ask(lab, 8002, "bank.example", family) == 404  # its VirtualService names the other Gateway
        assert ask(lab, 8001, "api.example", family) == 404  # that one is of the mesh
        assert ask(lab, 8000, "other.example", family) == 404
    assert ask(lab, 8003, "www.example") == "refused"
    lab.delete("Gateway", "bank/two")
    becomes(lab, 8002, "www.example", "refused")
    assert ask(lab, 8000, "www.example") == "web"


def test_clients_may_come_with_http_2_by_prior_knowledge_whatever_protocol_a_port_has(lab):
    made = gateway("kinds", {8030: ["*"], 8031: ["*"], 8032: ["*"]})
    for server_of, protocol in zip(made["spec"]["servers"], ("HTTP", "HTTP2", "GRPC")):
        server_of["port"]["protocol"] = protocol
    lab.apply(text([made, rules("kinds", "kinds.example", ["kinds"], "web")]))
    for port in (8030, 8031, 8032):
        becomes(lab, port, "kinds.example", "web")
        for family in (0, 1):  # curl ends with an error where it is not answered in HTTP/2
            assert ask(lab, port, "kinds.example", family, "--http2-prior-knowledge") == "web"


def counted(lab, *labels):
    """istio_requests_total of the series that have all of these labels, as the edge tells it."""
    page = lab.exec("shop/edge", "curl", "-sS", "http://127.0.0.1:15020/metrics", check=True).stdout
    return sum(int(value) for series, value in re.findall(r"^istio_requests_total\{(.*)\} (\d+)$", page, re.M)
               if all(label in series.split(",") for label in labels))


def test_an_edge_counts_requests_by_destination_and_answer_each_once(lab):
    tried = rules("tried", "tried.example", ["counted"], "web")
    tried["spec"]["http"][0]["retries"] = {"attempts": 2, "retryOn": "5xx", "backoff": "1ms"}
    lab.apply(text([gateway("counted", {8040: ["*"]}), tried]))
    becomes(lab, 8040, "tried.example", "web")
    web = ['reporter="waypoint"', 'source_principal="unknown"', 'connection_security_policy="none"', 'request_protocol="http"',
           'destination_service="web.shop.svc.cluster.local"', 'destination_workload="web"']
    rows = {200: [*web, 'response_code="200"', 'response_flags="-"'], 500: [*web, 'response_code="500"', 'response_flags="URX"'],
            404: ['reporter="waypoint"', 'destination_service="unknown"', 'response_code="404"', 'response_flags="NR"']}
    before = {status: counted(lab, *labels) for status, labels in rows.items()}
    for family in (0, 1):
        for version in ("--http1.1", "--http2-prior-knowledge"):
            assert ask(lab, 8040, "tried.example", family, version) == "web"
            assert ask(lab, 8040, "tried.example", family, version, "-H", "x-play: web: 500") == 500
            assert ask(lab, 8040, "nobodys.example", family, version) == 404
    wait_until(lambda: {status: counted(lab, *labels) - before[status] for status, labels in rows.items()} == dict.fromkeys(rows, 4),
               "four of each, tries of one request together")


def test_ports_follow_the_gateways_and_what_is_under_way_ends_well(lab):
    lab.apply(text([gateway("later", {8010: ["*"]}), rules("later", "later.example", ["later"], "web")]))
    becomes(lab, 8010, "later.example", "web")
    pid = lab.pod("shop/edge")["processes"][0]["pid"]
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        slow = pool.submit(ask, lab, 8010, "later.example", 0, "-H", "x-ask: edges", "-H", "x-play: web: hold", "--max-time", "300")
        wait_until(lambda: server(lab, "/_held")["held"] == 1, "the request is under way")
        lab.apply(text([gateway("later", {8011: ["*"]})]))
        becomes(lab, 8011, "later.example", "web")
        becomes(lab, 8010, "later.example", "refused")
        assert not slow.done(), "the request was over too early to show anything"
        server(lab, "/_release")
        assert slow.result() == "web"
    lab.delete("Gateway", "shop/later")
    becomes(lab, 8011, "later.example", "refused")
    assert lab.pod("shop/edge")["processes"][0]["pid"] == pid, "the edge was started anew"


def test_a_refused_destination_rule_is_not_passed_over(lab):
    lab.apply(text([gateway("rule", {8020: ["*"]}), rules("rule", "rule.example", ["rule"], "vault.bank.svc.cluster.local")]))
    becomes(lab, 8020, "rule.example", "vault")
    broken = istio("DestinationRule", "vault", {"host": "vault", "trafficPolicy": {"loadBalancer": {"consistentHash": {"useSourceIp": True}}}},
                   "bank")
    lab.apply(text([broken]), check=False)
    becomes(lab, 8020, "rule.example", 503)
    said = [one for one in lab.status()["conditions"] if one["kind"] == "DestinationRule"]
    assert [(one["name"], one["reason"]) for one in said] == [("vault", "Refused")], said
    wait_until(lambda: " CR " in lab.logs("shop/edge"), "the log's line")
    lab.apply(text([{**broken, "spec": {"host": "vault"}}]))
    becomes(lab, 8020, "rule.example", "vault")
    lab.apply(text([broken]), check=False)  # now it has a last good state
    assert ask(lab, 8020, "rule.example") == "vault"
