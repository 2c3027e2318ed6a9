"""Rules at a real waypoint: steering, weights, faults, mirrors, retries, breakers, on both address families."""
import collections
import json
import os

import pytest
from chance import drawn
from flows import NODES, meshed
from lab import APPS, Lab, wait_until

PODS = {"v1-1": "v1", "v1-2": "v1", "v2-1": "v2", "v2-2": "v2", "v2-3": "v2", "bad-1": "bad", "stall-1": "stall"}
SUBSETS = "subsets: [" + ", ".join(f"{{name: {v}, labels: {{version: {v}}}}}" for v in sorted(set(PODS.values()))) + "]"


def pod(name, version):
    env = {"NAME": name, "VERSION": version, **({"FAIL": "500"} if version == "bad" else {}),
           **({"STALL": "1"} if version == "stall" else {})}
    variables = ", ".join(f'{{name: {key}, value: "{value}"}}' for key, value in env.items())
    return f"""---
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: shop, labels: {{app: reviews, version: {version}}}}}
spec:
  nodeName: {"east" if name.endswith("1") else "west"}
  serviceAccountName: reviews
  containers: [{{name: c, command: [python3, {APPS}/versions.py], env: [{variables}], ports: [{{containerPort: 8080}}]}}]
"""


BASE = NODES + meshed("shop") + "".join(pod(*one) for one in PODS.items()) + f"""---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: wp, namespace: shop}}
spec: {{gatewayClassName: culvert-waypoint, listeners: [{{name: mesh, port: 15008, protocol: HBONE}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: reviews, namespace: shop, labels: {{istio.io/use-waypoint: wp}}}}
spec: {{selector: {{app: reviews}}, ipFamilyPolicy: PreferDualStack, ports: [{{name: http, port: 80, targetPort: 8080}}]}}
---
apiVersion: v1
kind: Pod
metadata: {{name: client, namespace: shop, labels: {{app: client}}}}
spec: {{nodeName: west, serviceAccountName: client, containers: [{{name: c, command: [sleep, "100000"]}}]}}
"""


def objects(http, policy=""):
    """VirtualService and DestinationRule of reviews; `http` is the list of its rules, as JSON."""
    traffic = f"trafficPolicy: {json.dumps(policy)}, " if policy else ""
    return f"""---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: reviews, namespace: shop}}
spec: {{host: reviews, {traffic}{SUBSETS}}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: reviews, namespace: shop}}
spec: {{hosts: [reviews], http: {json.dumps(http)}}}
"""


def to(version, **rule):
    return {"route": [{"destination": {"host": "reviews", "subset": version}}], **rule}


@pytest.fixture(scope="module")
def lab():
    with Lab(f"exch-rules-{os.getpid()}", BASE + objects([to("v1")])) as lab:
        yield lab


@pytest.fixture(params=[4, 6])
def family(request):
    return request.param


class Client:
    def __init__(self, lab, family):
        self.lab, self.family = lab, family

    def address(self):
        hosts = self.lab.exec("shop/client", "getent", f"ahostsv{self.family}", "reviews", check=True).stdout
        return hosts.split()[0]

    def ask(self, count=1, *flags):
        done = self.lab.exec("shop/client", "python3", APPS / "ask.py", self.address(), "80", "--count", count, *flags,
                             timeout=300, check=True)
        return json.loads(done.stdout)

    def versions(self, count=1, *flags):
        return collections.Counter(one.get("version", one["status"]) for one in self.ask(count, *flags))


@pytest.fixture
def client(lab, family):
    return Client(lab, family)


def apply(lab, *args):
    lab.apply(objects(*args))


def seen(lab, name):
    return [line for line in lab.log_lines(f"shop/{name}") if "sha256" in line]


def test_the_application_sees_its_client_and_what_the_waypoint_adds(lab, client):
    apply(lab, [to("v1")])
    got = client.ask()[0]
    assert got["status"] == 200 and got["version"] == "v1", got
    assert got["peer"] == lab.ips("shop/client")[0 if client.family == 4 else 1]
    headers = got["headers"]
    assert len(headers["x-request-id"]) == 36 and headers["x-envoy-attempt-count"] == "1"
    assert headers["x-forwarded-client-cert"].endswith("URI=spiffe://cluster.local/ns/shop/sa/client")
    assert "x-envoy-upstream-service-time" in got["answered"]


def test_a_cookie_steers(lab, client):
    apply(lab, [to("v2", match=[{"headers": {"cookie": {"regex": "^(.*?;)?(user=jason)(;.*)?$"}}}]), to("v1")],
          {"loadBalancer": {"simple": "ROUND_ROBIN"}})
    for cookie, version in [("user=jason", "v2"), ("a=b;user=jason;c=d", "v2"), ("user=jasonx", "v1"),
                            ("xuser=jason", "v1"), ("USER=jason", "v1"), ("a=b; user=jason", "v1"), (None, "v1")]:
        flags = ["--header", f"cookie: {cookie}"] if cookie else []
        assert client.versions(1, *flags) == {version: 1}, cookie
    pods = collections.Counter(one["pod"] for one in client.ask(6, "--header", "cookie: user=jason"))
    assert pods == {"v2-1": 2, "v2-2": 2, "v2-3": 2}


def test_weights_hold_and_a_change_holds_for_open_connections(lab, client):
    def weights(one, two):
        return [{"route": [{**to("v1")["route"][0], "weight": one}, {**to("v2")["route"][0], "weight": two}]}]
    apply(lab, weights(75, 25))
    drawn(lambda: client.versions(4000, "--connections", 8), {"v1": .75, "v2": .25})
    apply(lab, weights(0, 100))
    assert client.versions(2000, "--connections", 8) == {"v2": 2000}


def test_faults_are_injected_and_no_server_sees_an_abort(lab, client):
    all_of = {"percentage": {"value": 100}}
    apply(lab, [to("v1", fault={"abort": {"httpStatus": 555, **all_of}}, match=[{"uri": {"prefix": "/abort"}}]),
                to("v1", fault={"delay": {"fixedDelay": "2s", **all_of}}, timeout="1s", match=[{"uri": {"prefix": "/delay"}}]),
                to("v1", fault={"abort": {"httpStatus": 500, "percentage": {"value": 10}}})])
    path = f"/abort/{client.family}"
    got = client.ask(1, "--path", path)[0]
    assert (got["status"], got["body"]) == (555, "fault filter abort")
    assert not [one for name in PODS for one in seen(lab, name) if one["path"] == path]
    got = client.ask(1, "--path", "/delay")[0]
    assert got["status"] == 200 and got["seconds"] >= 2
    drawn(lambda: collections.Counter(one["status"] for one in client.ask(2000, "--connections", 4)), {500: .1, 200: .9})


@pytest.mark.parametrize("version", ["v2", "bad", "stall"])
def test_a_mirror_changes_nothing_for_the_client(lab, client, version):
    apply(lab, [to("v1", mirror={"host": "reviews", "subset": version}, timeout="5s")])
    mirrors = [name for name, of in PODS.items() if of == version]
    before = sum(len(seen(lab, name)) for name in mirrors)
    got = client.ask(200, "--connections", 4, "--post", 65536)
    assert {one["version"] for one in got} == {"v1"} and {one["status"] for one in got} == {200}
    sent = sorted(one["sha256"] for one in got)

    def arrived():
        lines = [line for name in mirrors for line in seen(lab, name)]
        return lines if len(lines) - before >= 200 else None
    lines = wait_until(arrived, "the mirrored requests", 120)
    shadows = [line for line in lines if line["sha256"] in set(sent)]
    assert sorted(line["sha256"] for line in shadows) == sent
    assert {line["host"] for line in shadows} == {"reviews-shadow"}


def test_retries_hide_a_version_that_fails(lab, client):
    half = [{**to("v1")["route"][0], "weight": 50}, {**to("bad")["route"][0], "weight": 50}]
    apply(lab, [{"route": half, "retries": {"attempts": 0}}])
    drawn(lambda: client.versions(400, "--connections", 4), {"v1": .5, "bad": .5})
    # One subset with both: a retry goes to a pod that was not tried.
    lab.apply("---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: reviews, namespace: shop}\n"
              "spec: {hosts: [reviews], http: [{retries: {attempts: 3, retryOn: 5xx}, "
              "match: [{headers: {x-all: {exact: 'yes'}}}], timeout: 2s, "
              "route: [{destination: {host: reviews, subset: bad}}]}, "
              "{retries: {attempts: 3, retryOn: gateway-error}, route: [{destination: {host: reviews, subset: bad}}]}]}")
    path = f"/retries/{client.family}"
    got = client.ask(1, "--path", path, "--header", "x-all: yes")[0]
    assert got["status"] == 500
    tries = [one["headers"] for one in seen(lab, "bad-1") if one["path"] == path]
    assert [one["x-envoy-attempt-count"] for one in tries] == ["1", "2", "3", "4"]
    assert len({one["x-request-id"] for one in tries}) == 1
    path += "/gateway"
    client.ask(1, "--path", path)
    assert len([one for one in seen(lab, "bad-1") if one["path"] == path]) == 1


def test_an_outlier_is_ejected_and_a_full_breaker_says_so_at_once(lab, client):
    outlier = {"consecutive5xxErrors": 7, "interval": "1s", "baseEjectionTime": "900s", "maxEjectionPercent": 100}
    apply(lab, [to("bad", retries={"attempts": 0})])
    assert client.ask()[0]["status"] == 500  # and forgets who was ejected before
    apply(lab, [to("bad", retries={"attempts": 0})], {"outlierDetection": outlier})
    assert [one["status"] for one in client.ask(10)] == [500] * 7 + [503] * 3
    apply(lab, [to("stall", timeout="3s")])
    wait_until(lambda: client.ask()[0]["status"] == 504, "the end of what stalled there before")
    apply(lab, [to("stall", timeout="3s")], {"connectionPool": {"http": {"http2MaxRequests": 5}}})
    got = client.ask(8, "--connections", 8)
    assert collections.Counter(one["status"] for one in got) == {504: 5, 503: 3}
    over = [one for one in got if one["status"] == 503]
    assert all(one["seconds"] < 2 and "overflow" in one["body"] for one in over), over
