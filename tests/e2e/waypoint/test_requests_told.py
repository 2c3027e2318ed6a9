"""What a waypoint tells of requests: metrics, log, `culvert tap`, and `culvert explain` of one that need not exist; both families."""
import collections
import json
import os
import re
import subprocess

import pytest
from flows import NODES, client_pod, endpoint, meshed
from lab import APPS, CULVERT, ENV, REPO, Lab, culvert, wait_until

CALLS = REPO / "tests/conformance"  # gRPC by its own library, both ends
WORLD = NODES + meshed("shop") + client_pod("shop", "far", "west") + f"""---
apiVersion: v1
kind: Pod
metadata: {{name: web, namespace: shop, labels: {{app: web, version: v1}}}}
spec:
  nodeName: east
  serviceAccountName: web
  containers: [{{name: http, command: [python3, {APPS}/http_echo.py, "8080"], ports: [{{containerPort: 8080}}]}}]
---
apiVersion: v1
kind: Service
metadata: {{name: web, namespace: shop}}
spec: {{ipFamilyPolicy: PreferDualStack, selector: {{app: web}}, ports: [{{name: http, port: 8080}}]}}
---
apiVersion: v1
kind: Pod
metadata: {{name: calls, namespace: shop, labels: {{app: calls}}}}
spec:
  nodeName: east
  serviceAccountName: calls
  containers: [{{name: c, command: [/usr/bin/python3, {CALLS}/grpc_server.py, calls, "8081"], ports: [{{containerPort: 8081}}]}}]
---
apiVersion: v1
kind: Service
metadata: {{name: calls, namespace: shop}}
spec: {{ipFamilyPolicy: PreferDualStack, selector: {{app: calls}}, ports: [{{name: grpc, port: 8081}}]}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: web, namespace: shop}}
spec:
  hosts: [web]
  http:
  - name: gone
    match: [{{uri: {{prefix: /gone}}, statPrefix: over}}]
    directResponse: {{status: 410}}
  - name: jason
    match: [{{headers: {{end-user: {{exact: jason}}}}}}]
    route: [{{destination: {{host: web}}}}]
  - name: late
    match: [{{uri: {{prefix: /late}}}}]
    fault: {{delay: {{fixedDelay: 3s, percentage: {{value: 100}}}}}}
    route: [{{destination: {{host: web}}}}]
  - name: again
    match: [{{uri: {{prefix: /status/404}}, statPrefix: odd}}, {{uri: {{prefix: /status}}}}]
    retries: {{attempts: 3, retryOn: 5xx, backoff: 1ms}}
    route: [{{destination: {{host: web}}}}]
  - name: shared
    match: [{{uri: {{prefix: /shared}}}}]
    route: [{{destination: {{host: web}}, weight: 75}}, {{destination: {{host: calls}}, weight: 20}},
            {{destination: {{host: web, subset: v1}}, weight: 5}}]
  - name: rest
    route: [{{destination: {{host: web}}}}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: web, namespace: shop}}
spec: {{host: web, subsets: [{{name: v1, labels: {{version: v1}}}}]}}
"""
URL = "http://web:8080"


@pytest.fixture(scope="module")
def lab():
    with Lab(f"admit-told-{os.getpid()}", WORLD) as made:
        culvert("waypoint", "apply", "--name", made.name, "-n", "shop", "--enroll-namespace")
        wait_until(lambda: made.curl("shop/far", URL + "/")[0] == 0, "the waypoint serves")
        yield made


@pytest.fixture(params=[4, 6])
def family(request):
    """Of the address that clients use."""
    return request.param


@pytest.fixture
def ask(lab, family):
    """curl by shop/far; gives its exit status and the body."""
    return lambda path, *flags: lab.curl("shop/far", URL + path, f"-{family}", *flags)


def of_family(lab, pod, family):
    return lab.ips(pod)[0 if family == 4 else 1]


def waypoint_pod(lab):
    return next(f"shop/{p['name']}" for p in lab.status()["pods"] if p["name"].startswith("waypoint"))


class Tap:
    def __init__(self, lab, *argv, form="json"):
        self.process = subprocess.Popen([CULVERT, "tap", "--name", lab.name, "-o", form, *argv], env=ENV, text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert "watching shop/waypoint" in self.process.stderr.readline()

    def events(self):
        return [json.loads(line) for line in self.lines()]

    def requests(self):
        return [event for event in self.events() if event["event"] == "end"]

    def lines(self):
        out, errors = self.process.communicate(timeout=120)
        assert self.process.returncode == 0, errors
        return out.splitlines()


def count(lab, *labels, metric="istio_requests_total"):
    """The sum of a metric over the series that have all of these labels."""
    page = lab.exec(waypoint_pod(lab), "curl", "-sS", "http://127.0.0.1:15020/metrics", check=True).stdout
    return sum(int(value) for series, value in re.findall(rf"^{metric}\{{(.*)\}} (\d+)$", page, re.M)
               if all(label in series for label in labels))


def test_the_application_sees_the_client_and_its_ztunnel_knows_both(lab, family, ask):
    status, body = ask("/seen")
    assert status == 0 and json.loads(body)["peer"][0] == of_family(lab, "shop/far", family), body

    # The waypoint keeps the connection for further requests of this client: its line comes at its end.
    carried = json.loads(culvert("connections", "--name", lab.name, "--node", "east", "-o", "json").stdout)
    one = next(c for c in carried if c["path"] == "inbound-tunnel" and c["source"].get("pod") == "far")
    assert one["source"]["identity"].endswith("/ns/shop/sa/far") and one["destination"]["pod"] == "web"
    assert one["via"]["identity"].endswith("/ns/shop/sa/waypoint")


def test_tap_shows_a_request_with_its_rule_and_destination(lab, ask):
    tap = Tap(lab, "shop/web", "--count", "2", "--path", "/api")
    assert ask("/other")[0] == 0
    assert ask("/api/a?b=c", "-H", "end-user: jason")[0] == 0
    assert ask("/api/b", "-X", "POST", "-d", "12345")[0] == 0
    one, two = tap.requests()
    assert (one["method"], one["path"], one["response_code"]) == ("GET", "/api/a?b=c", 200)
    assert one["route_name"].startswith("jason") and one["virtual_service"] == "shop/web"
    assert two["route_name"].startswith("rest") and two["bytes_received"] == 5
    for request in (one, two):
        assert (request["source_workload"], request["destination_workload"]) == ("far", "web")
        assert request["source_principal"].endswith("/ns/shop/sa/far") and request["attempts"] == 1
        assert request["attempt_list"][0]["upstream_host"] in [endpoint([ip, 8080]) for ip in lab.ips("shop/web")]
        assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", request["request_id"])


def test_tap_shows_each_attempt_of_a_request(lab, ask):
    tap = Tap(lab, "shop/web", "--count", "1", "--path", "/status/503")
    text = Tap(lab, "shop/web", "--count", "1", "--path", "/status/503", form="text")
    assert ask("/status/503")[0] == 0
    one, = tap.requests()
    assert (one["attempts"], one["response_code"], one["response_flags"]) == (4, 503, "URX")
    assert [(attempt["response_code"], attempt["destination_workload"]) for attempt in one["attempt_list"]] == [(503, "web")] * 4
    lines = text.lines()
    assert len(lines) == 5 and " 503 URX " in lines[0] and lines[4].startswith("    attempt 4: shop/web 503"), lines


def test_tap_shows_a_request_that_lasts_before_it_ends(lab, ask):
    tap = Tap(lab, "shop/web", "--count", "2", "--path", "/late")
    text = Tap(lab, "shop/web", "--count", "2", "--path", "/late", form="text")
    slow = subprocess.Popen(lab.exec_argv("shop/far", "curl", "-sS", "--max-time", "60", f"{URL}/late/a"), env=ENV,
                            stdout=subprocess.DEVNULL)
    begun = text.process.stdout.readline()
    assert slow.poll() is None, "it is under way"
    assert re.search(r" shop/far GET web:8080/late/a under way for \d+\.\d s, no answer yet by late\S* of shop/web http\[2\]$", begun), begun
    assert slow.wait() == 0
    ask("/late/b")  # which nobody sees twice either
    events = tap.events()
    assert [event["event"] for event in events] == ["begin", "attempt", "answer", "end"] * 2
    for one in (events[:4], events[4:]):
        assert len({event["id"] for event in one}) == 1
        begin, attempt, answer, end = one
        assert begin["route_name"].startswith("late") and "upstream_host" not in begin and "response_code" not in begin
        assert attempt["upstream_host"] == answer["upstream_host"] == end["upstream_host"]
        assert attempt["destination_workload"] == "web" and answer["response_code"] == end["response_code"] == 200
    assert events[0]["id"] != events[4]["id"]
    lines = text.lines()
    assert [" under way " in line for line in lines] == [False, True, False], lines
    assert all(" 200 " in line and " to shop/web " in line for line in (lines[0], lines[2])), lines


def test_tap_ends_where_nobody_reads_it(lab, ask):
    tap = Tap(lab, "shop/web", "--path", "/closed")
    tap.process.stdout.close()
    wait_until(lambda: ask("/closed")[0] == 0 and tap.process.poll() is not None, "tap ends")


def test_requests_are_counted_by_client_destination_and_answer(lab, ask):
    labels = ('reporter="waypoint"', 'source_principal="spiffe://cluster.local/ns/shop/sa/far"',
              'destination_service="web.shop.svc.cluster.local"', 'connection_security_policy="mutual_tls"')
    before = count(lab, *labels, 'response_code="200"'), count(lab, *labels, 'response_code="410"')
    for _ in range(3):
        assert ask("/")[0] == 0
    ask("/gone")
    wait_until(lambda: count(lab, *labels, 'response_code="410"') == before[1] + 1, "the last one is counted")
    assert count(lab, *labels, 'response_code="200"', 'destination_workload="web"') >= 3
    assert count(lab, *labels, 'response_code="200"') == before[0] + 3


def test_a_request_that_is_tried_again_counts_once(lab, ask):
    def tries():
        return sum("GET /status/503" in line.get("line", "") for line in lab.log_lines("shop/web"))

    def lines():
        return re.findall(r'"GET /status/503 HTTP/1\.1" 503 .* again\S* 4$', lab.logs(waypoint_pod(lab)), re.M)
    labels = ('destination_workload="web"', 'response_code="503"')
    before, tried, logged = count(lab, *labels), tries(), len(lines())
    assert ask("/status/503")[0] == 0
    wait_until(lambda: count(lab, *labels) == before + 1, "one more")
    wait_until(lambda: len(lines()) == logged + 1, "the line, with four attempts")
    assert tries() == tried + 4


def by_prefix(lab):
    """The counts of culvert_route_requests_total by (VirtualService, prefix, class of the status)."""
    page = lab.exec(waypoint_pod(lab), "curl", "-sS", "http://127.0.0.1:15020/metrics", check=True).stdout
    return collections.Counter({tuple(re.findall(r'="([^"]*)"', labels)): int(value) for labels, value in
                                re.findall(r"^culvert_route_requests_total\{(.*)\} (\d+)$", page, re.M)})


def test_requests_are_counted_by_the_stat_prefix_of_their_match_and_by_no_other(lab, ask):
    before = by_prefix(lab)
    tap = Tap(lab, "shop/web", "--count", "3", "--path", "/status")
    for path in ("/gone/a", "/gone/b", "/status/404", "/status/200", "/status/418", "/"):
        assert ask(path)[0] == 0
    wanted = {("shop/web", "over", "4xx"): 2, ("shop/web", "odd", "4xx"): 1}
    wait_until(lambda: by_prefix(lab) - before == wanted, "what has a prefix is counted")
    assert [one.get("stat_prefix") for one in tap.requests()] == ["odd", None, None]


def buckets(lab, metric, *labels):
    """How many requests are in each bucket and below, by its bound; and the sum of what was measured."""
    page = lab.exec(waypoint_pod(lab), "curl", "-sS", "http://127.0.0.1:15020/metrics", check=True).stdout
    out = collections.Counter()
    for kind, series, value in re.findall(rf"^{metric}_(bucket|sum|count)\{{(.*)\}} (\S+)$", page, re.M):
        if all(label in series for label in labels):
            bound = re.search(r'\ble="([^"]+)"', series)
            out[float(bound[1]) if bound else kind] += float(value)
    return out


def test_how_long_requests_take_and_how_large_they_are_is_counted_in_buckets(lab, ask):
    labels = ('reporter="waypoint"', 'destination_workload="web"', 'response_code="200"')
    metrics = "istio_request_duration_milliseconds", "istio_request_bytes", "istio_response_bytes"
    before = [buckets(lab, metric, *labels) for metric in metrics]
    assert ask("/bytes/70000", "-d", "x" * 3000, "-o", "/dev/null")[0] == 0
    assert ask("/sleep/0.6")[0] == 0
    wait_until(lambda: [buckets(lab, metric, *labels)["count"] - was["count"] for metric, was in zip(metrics, before, strict=True)] == [2] * 3,
               "both are counted")
    grown = [buckets(lab, metric, *labels) for metric in metrics]
    for now, was in zip(grown, before, strict=True):
        now.subtract(was)
        assert now["count"] == now[float("inf")] == 2
        bounds = sorted(bound for bound in now if isinstance(bound, float))
        assert [now[bound] for bound in bounds] == sorted(now[bound] for bound in bounds) and len(bounds) > 10
    duration, received, sent = grown
    assert duration["sum"] >= 600 and duration[500] <= 1, "one of them took longer"
    assert received["sum"] == 3000 and (received[1000], received[5000]) == (1, 2)
    assert 70000 < sent["sum"] < 75000 and (sent[60000], sent[300000]) == (1, 2)


def test_no_bucket_counts_what_was_not_asked(lab):
    """A near miss of the test above: another answer is another series."""
    labels = ('reporter="waypoint"', 'response_code="410"')
    before = buckets(lab, "istio_request_bytes", *labels)["count"]
    assert lab.curl("shop/far", URL + "/")[0] == 0
    assert buckets(lab, "istio_request_bytes", *labels)["count"] == before


def test_grpc_calls_are_counted_with_their_messages_and_statuses(lab, family):
    asked = [{"to": ["calls", 8081], "family": family, **call} for call in (
        {"method": "Down", "requests": ["7"]}, {"method": "Up", "requests": ["a", "b", "c"]},
        {"method": "Echo", "requests": ["x", "y"], "lockstep": True}, {"method": "Fail", "requests": ["9 not now"]})]

    def counts():
        labels = ('request_protocol="grpc"', 'destination_workload="calls"')
        return [count(lab, *labels, metric=f"istio_{what}_total") for what in
                ("requests", "request_messages", "response_messages")] + [count(lab, *labels, 'grpc_response_status="9"')]
    before = counts()
    done = lab.exec("shop/far", "/usr/bin/python3", f"{CALLS}/grpc_client.py", input=json.dumps(asked), check=True)
    assert [call["code"] for call in json.loads(done.stdout)] == [0, 0, 0, 9]
    wait_until(lambda: [b - a for a, b in zip(before, counts())] == [4, 1 + 3 + 2 + 1, 7 + 1 + 2, 1], "all are counted")


def test_the_log_has_a_line_in_envoys_form(lab, family, ask):
    assert ask(f"/logged?x={family}", "-A", "tester")[0] == 0
    client = of_family(lab, "shop/far", family)
    bracketed = client if family == 4 else f"[{client}]"
    pattern = re.compile(r'^\[\d{4}-[-\dT:.]+Z\] "GET /logged\?x=FAMILY HTTP/1\.1" 200 - via_upstream - "-" 0 \d+ \d+ \d+ '
                         r'"[^"]*" "tester" "[-0-9a-f]{36}" "web:8080" "ADDRESS:8080" outbound\|8080\|\|web\.shop\.svc'
                         r'\.cluster\.local - ADDRESS:8080 CLIENT:\d+ - rest\S* 1$'.replace("ADDRESS", r"[\[\]\da-f.:]+")
                         .replace("FAMILY", str(family)).replace("CLIENT", re.escape(bracketed)), re.M)
    wait_until(lambda: pattern.search(lab.logs(waypoint_pod(lab))), "the line")


TRACES = {
    "W3C": {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "tracestate": "a=b"},
    "b3": {"b3": "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1"},
    "x-b3": {"x-b3-traceid": "80f198ee56343ba864fe8b2a57d3eff7", "x-b3-spanid": "e457b5a2e4d86bd1", "x-b3-parentspanid": "05e3ac9a4f6e3b90",
             "x-b3-sampled": "0", "x-b3-flags": "1"}}


@pytest.mark.parametrize("version", ["--http1.1", "--http2-prior-knowledge"])
@pytest.mark.parametrize("kind", TRACES)
def test_a_request_id_and_trace_headers_go_on_as_they_came_and_none_is_made_up(ask, kind, version):
    sent = {"x-request-id": "my-own-id", **TRACES[kind]}
    flags = [word for name, value in sent.items() for word in ("-H", f"{name}: {value}")]
    got = {name.lower(): value for name, value in json.loads(ask("/", version, *flags)[1])["headers"].items()}
    known = {name for names in TRACES.values() for name in names}
    assert {name: value for name, value in got.items() if name in known or name == "x-request-id"} == sent


def test_explain_names_rule_weights_and_reason_of_a_request(lab):
    def explain(*argv):
        done = culvert("explain", "shop/far", "web.shop:8080", "--name", lab.name, "-o", "json", *argv)
        return json.loads(done.stdout)["request"]
    jason = explain("--path", "/a", "--header", "end-user: jason")
    assert jason["virtual_service"] == "shop/web" and jason["route_name"].startswith("jason")
    assert [share["percent"] for share in jason["shares"]] == [100]
    shared = explain("--path", "/shared/a")
    assert shared["route_name"].startswith("shared")
    assert {share["cluster"]: share["percent"] for share in shared["shares"]} == {
        "web.shop.svc.cluster.local port 8080": 75, "calls.shop.svc.cluster.local port 8081": 20,
        "web.shop.svc.cluster.local v1 port 8080": 5}
    assert "75 %" in shared["text"] and "20 %" in shared["text"] and " 5 %" in shared["text"]
    rest = explain("--path", "/a")
    assert rest["route_name"].startswith("rest") and any("end-user" in step["text"] for step in rest["steps"])
    assert "answered with status 410" in explain("--path", "/gone/x", "--method", "POST")["text"]
