"""What retries send, and how many there may be at once, at a real waypoint over both address families."""
import hashlib
import json
import os
import subprocess
import threading
import time

import pytest
import yaml

import refused_envoy
from proof_lab import HERE, PORTS, V2_PODS, ask, dual, local, logged, numbered, rule, rules_of, to, told
from test_proof_failures import Held, dead, statuses
from waypoint_lab import wait_until

BODY_BYTES = 200_000  # of several frames, records and reads
UPLOADS = {"length": ["--http1.1"], "chunks": ["--http1.1", "-H", "transfer-encoding: chunked"], "frames": ["--http2-prior-knowledge"]}
AT_ONCE = 6
UNAVAILABLE = 14
REFUSED_STREAM, CANCEL = 7, 8  # RFC 9113, section 7
REFUSING_PORT = 8098


@pytest.mark.parametrize("how", UPLOADS)
def test_every_try_gets_the_whole_body_as_it_was_sent(shop, family, how, tmp_path):
    body = os.urandom(BODY_BYTES)
    (tmp_path / "sent").write_bytes(body)
    shop.apply(rule([to("v3", retries={"attempts": 2, "retryOn": "5xx", "backoff": "1ms"})]))
    before = told(shop, "v3")
    headers = [["x-play", "v3-1: 500 twice"], *numbered()]
    flags = [word for name, value in headers for word in ("-H", f"{name}: {value}")]
    done = shop.exec("shop/web", "curl", "-sS", f"-{family}", "--max-time", "60", *UPLOADS[how], *flags, "-H", "Expect:",
                     "--data-binary", f"@{tmp_path / 'sent'}", "http://reviews/upload", check=True)
    answer = json.loads(done.stdout)
    assert (answer["number"], answer["bytes"]) == (3, BODY_BYTES)
    assert told(shop, "v3") - before == {f"reviews {BODY_BYTES} {hashlib.sha256(body).hexdigest()}": 3}


LARGE, KEPT, BROKEN = 3 << 20, 1 << 20, 2 << 20  # of which a waypoint keeps so much for another try; of which a server takes so much


@pytest.mark.parametrize("play", ["v3-1: 500 once", "v3-1: 503", "nobody: 500"])
def test_a_body_larger_than_what_is_kept_is_sent_once_and_whole(shop, family, play):
    shop.apply(rule([to("v3", retries={"attempts": 3, "retryOn": "5xx,reset,connect-failure", "backoff": "1ms"})]))

    def post(size):
        before, tries = told(shop, "v3"), len(local(shop, "v3-1", "/_tries"))
        answer, = ask(shop, family, 1, [["x-play", play]], method="POST", body_bytes=size, apart=True)
        words = f"reviews {size} {hashlib.sha256(b'x' * size).hexdigest()}"
        came = told(shop, "v3") - before
        assert set(came) == {words}, "each that came was whole"
        assert came[words] == len(local(shop, "v3-1", "/_tries")) - tries
        return answer["status"], came[words]
    assert post(LARGE) == ({"v3-1: 500 once": 500, "v3-1: 503": 503}.get(play, 200), 1)
    # A near miss: what fits is tried again.
    assert post(KEPT // 2) == {"v3-1: 500 once": (200, 2), "v3-1: 503": (503, 4)}.get(play, (200, 1))


def of_early(lab):
    return json.loads(lab.exec("shop/early", "curl", "-sS", "http://localhost:8080/_seen", check=True).stdout)


def test_a_server_that_goes_in_the_middle_of_a_large_body_is_not_sent_it_again(shop, family):
    shop.apply(rules_of("early", [{"route": [{"destination": {"host": "early"}}],
                                   "retries": {"attempts": 3, "retryOn": "5xx,reset,connect-failure", "backoff": "1ms"}}]))
    before, path = len(of_early(shop)), f"/break/{family}/{BROKEN}"
    answer, = ask(shop, family, method="POST", body_bytes=LARGE, path=path, place=("early", 8080), authority="early")
    assert answer["status"] == 503, answer
    line, = wait_until(lambda: logged(shop, path), "the log's line")
    assert " 503 UC " in line and line.endswith(" 1"), line
    assert of_early(shop)[before:] == [{"path": path, "announced": BROKEN, "came": BROKEN}]


EARLY = """
import json, socket, sys
family = {"4": socket.AF_INET, "6": socket.AF_INET6}[sys.argv[1]]
to = socket.getaddrinfo("early", 8080, family=family, type=socket.SOCK_STREAM)[0][4]
link = socket.create_connection(to[:2], 60)
link.sendall(f"POST {sys.argv[2]} HTTP/1.1\\r\\nHost: early\\r\\ncontent-length: 1000\\r\\n\\r\\n0123456789".encode())
got = b""
while not got.endswith(b"early"):
    got += link.recv(65536) or sys.exit("it ended")
print(got.split()[1].decode(), flush=True)
sys.stdin.readline()
"""


def test_an_answer_before_the_bodys_end_is_told_at_once_and_spoils_no_other_request(shop, family):
    shop.apply(rules_of("early", [{"route": [{"destination": {"host": "early"}}]}]))
    before, path = len(of_early(shop)), f"/early/{family}"
    clients = [shop.popen("shop/web", "/usr/bin/python3", "-c", EARLY, family, path, stdin=subprocess.PIPE) for _ in range(3)]
    assert [client.stdout.readline() for client in clients] == ["413\n"] * 3  # none of them has sent the rest
    # Nobody's request becomes a part of theirs.
    others = ask(shop, family, 12, path="/other", place=("early", 8080), authority="early")
    assert {(one.get("status"), one.get("body")) for one in others} == {(200, "early")}, others
    for client in clients:
        client.communicate("go\n", timeout=60)
    lines = wait_until(lambda: len(now := logged(shop, path)) == 3 and now, "the log's lines")
    assert all(" 413 - via_upstream " in line and line.endswith(" 1") for line in lines), lines
    came = wait_until(lambda: len(now := of_early(shop)[before:]) == 3 and now, "the server knows that no more will come")
    assert all(one["path"] == path and one["came"] <= 10 for one in came), came


# Ten bytes of a thousand, then nothing until it is answered; a second request on the same connection. What came of each: status, body, and
# the code with which the stream was reset behind the answer.
EARLY_2 = """
import json, socket, sys, h2.config, h2.connection, h2.events
family = {"4": socket.AF_INET, "6": socket.AF_INET6}[sys.argv[1]]
link = socket.create_connection(socket.getaddrinfo("early", 8080, family=family, type=socket.SOCK_STREAM)[0][4][:2], 60)
h = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
h.initiate_connection()
def ask(stream, method, length):
    out = {"body": ""}
    fields = [(":method", method), (":scheme", "http"), (":authority", "early"), (":path", sys.argv[2])]
    h.send_headers(stream, fields + ([("content-length", str(length))] if length else []), end_stream=not length)
    if length:
        h.send_data(stream, b"0123456789")
    while not ("ended" in out and (not length or "reset" in out)):
        link.sendall(h.data_to_send())
        for event in h.receive_data(link.recv(65536) or sys.exit("it ended")):
            if isinstance(event, h2.events.ResponseReceived):
                out["status"] = dict(event.headers)[":status"]
            elif isinstance(event, h2.events.DataReceived):
                out["body"] += event.data.decode()
            elif isinstance(event, h2.events.StreamEnded):
                out["ended"] = True
            elif isinstance(event, h2.events.StreamReset):
                out["reset"] = int(event.error_code)
    return out
print(json.dumps([ask(1, "POST", 1000), ask(3, "GET", 0)]))
"""
NO_ERROR = 0  # RFC 9113 section 8.1: the answer was whole, the rest of the request is not wanted


def test_an_answer_before_the_end_of_a_stream_of_http_2_is_told_at_once_and_the_rest_is_not_wanted(shop, family):
    shop.apply(rules_of("early", [{"route": [{"destination": {"host": "early"}}]}]))
    before, path = len(of_early(shop)), f"/early-2/{family}"
    done = shop.exec("shop/web", "/usr/bin/python3", "-c", EARLY_2, family, path, check=True)
    assert json.loads(done.stdout) == [{"status": "413", "body": "early", "ended": True, "reset": NO_ERROR},
                                       {"status": "200", "body": "early", "ended": True}]
    lines = wait_until(lambda: len(now := logged(shop, path)) == 2 and now, "the log's lines")
    assert " 413 - via_upstream " in lines[0] and lines[0].endswith(" 1"), lines
    came = wait_until(lambda: of_early(shop)[before:], "the server knows that no more will come")
    assert [one["announced"] for one in came] == [1000] and came[0]["came"] <= 10


PER_TRY_S, WHOLE_S, FAR_S = 1, 3, 12


@pytest.mark.parametrize("how, play, retries, most", [
    ("hang", "v3-1: hold", {"perTryTimeout": f"{PER_TRY_S}s"}, WHOLE_S // PER_TRY_S),
    ("back-off", "v3-1: 500", {"backoff": "20s"}, 50)], ids=["attempts", "back-offs"])
def test_a_routes_timeout_bounds_all_attempts_and_the_waits_between_them(shop, family, how, play, retries, most):
    shop.apply(rule([to("v3", timeout=f"{WHOLE_S}s", retries={"attempts": 50, "retryOn": "5xx", **retries})]))
    path, tries = f"/whole/{family}/{how}", len(local(shop, "v3-1", "/_tries"))
    answer, = ask(shop, family, 1, [["x-play", play]], path=path)
    assert answer["status"] == 504 and WHOLE_S - 0.1 < answer["seconds"] < FAR_S, answer
    line, = wait_until(lambda: logged(shop, path), "the log's line")
    assert " 504 UT response_timeout " in line, line
    made = int(line.rpartition(" ")[2])
    assert (2 if how == "hang" else 1) <= made <= most, line

    def over():
        return local(shop, "v3-1", "/_held")["held"] == 0 and len(local(shop, "v3-1", "/_tries")) - tries == made
    wait_until(over, "the server knows of each, and none is left there")
    time.sleep(1.5 * PER_TRY_S)
    assert over(), "nothing comes behind the answer"


def test_what_was_partly_answered_is_not_sent_again(shop, family):
    retries = {"attempts": 3, "retryOn": "5xx,gateway-error,reset,connect-failure,refused-stream,retriable-4xx"}
    shop.apply(rule([to("v3", retries=retries)]))
    before = len(local(shop, "v3-1", "/_tries"))
    answer, = ask(shop, family, 1, [["x-play", "v3-1: cut"]], method="POST", body_bytes=1000, apart=True)
    assert "error" in answer, "it is not made to look whole"
    assert [attempt for _, attempt in local(shop, "v3-1", "/_tries")[before:]] == ["1"]
    # The same attempts, where nothing was answered yet.
    answer, = ask(shop, family, 1, [["x-play", "v3-1: 500 twice"]], method="POST", body_bytes=1000, apart=True)
    assert answer["status"] == 200 and json.loads(answer["body"])["number"] == 3


def test_a_call_that_had_a_message_is_not_made_again(shop, family):
    shop.apply(rules_of("servers", [{"route": [{"destination": {"host": "servers"}}],
                                     "retries": {"attempts": 3, "retryOn": "unavailable,reset"}}]))

    def call(*methods):
        asked = [{"to": ["servers", PORTS["grpc"]], "family": family, "method": one} for one in methods]
        done = shop.exec("shop/web", "/usr/bin/python3", HERE / "grpc_client.py", input=json.dumps(asked), check=True)
        return json.loads(done.stdout)

    def made():
        return json.loads(call("Told")[0]["messages"][0]).get("Part", 0)
    before = made()
    one, = call("Part")
    assert (one["code"], one["messages"]) == (UNAVAILABLE, ["part"])
    assert made() == before + 1


SHARE = {"retryBudget": {"percent": 15, "minRetryConcurrency": 1}}  # of 1 to 6 requests none, of 21 to 26 three


@pytest.mark.parametrize("policy, under_way, most", [
    ({"connectionPool": {"http": {"maxRetries": 2}}}, 0, 2),
    ({"retryBudget": {"percent": 1, "minRetryConcurrency": 3}}, 0, 3),
    (SHARE, 0, 1), (SHARE, 20, 3),
    ({}, 0, AT_ONCE)], ids=["maxRetries", "minRetryConcurrency", "percent-of-few", "percent-of-many", "neither"])
def test_so_many_retries_are_under_way_at_once_as_the_rule_says(shop, family, policy, under_way, most):
    shop.apply(rule([to("v3", retries={"attempts": 1, "retryOn": "5xx", "backoff": "1ms"})], **policy))
    path, answers = f"/again/{family}/{under_way}/{most}", []
    others = Held(shop, family, under_way)
    headers = [["x-play", "v3-1: 500 once, v3-1: hold"]]
    asking = threading.Thread(target=lambda: answers.extend(ask(shop, family, AT_ONCE, headers, AT_ONCE, path=path, apart=True)))
    asking.start()
    try:
        wait_until(lambda: local(shop, "v3-1", "/_held")["held"] == under_way + most and len(logged(shop, path)) == AT_ONCE - most,
                   "as many retries as there may be, and the answers to the others", 60)
    finally:
        released = others.release()
        asking.join()
    assert released == [200] * under_way
    assert statuses(answers) == {status: count for status, count in ((200, most), (500, AT_ONCE - most)) if count}


def test_a_pod_with_a_closed_port_is_hidden_by_the_conditions_that_have_it(shop, family):
    hidden = {}
    with dead(shop, "v2-1"):
        for condition in ("connect-failure", "reset-before-request", "reset", "5xx", "gateway-error", "refused-stream", "retriable-4xx,503"):
            shop.apply(rule([to("v2", retries={"attempts": 1, "retryOn": condition, "backoff": "1ms"})]))
            hidden[condition] = statuses(ask(shop, family, 4 * V2_PODS, at_once=1))
        shop.apply(rule([to("v2")]))  # Istio's own conditions have it
        hidden["absent"] = statuses(ask(shop, family, 4 * V2_PODS, at_once=1))
    shown = {"refused-stream", "retriable-4xx,503"}
    assert {name for name, counts in hidden.items() if counts != {200: 4 * V2_PODS}} == shown, hidden
    assert all(hidden[name] == {200: 4 * V2_PODS - 4, 503: 4} for name in shown), hidden


@pytest.mark.parametrize("condition, code, count, status", [
    ("refused-stream", REFUSED_STREAM, 1, 200), ("refused-stream", REFUSED_STREAM, 2, 503), ("refused-stream", CANCEL, 1, 503),
    ("reset", REFUSED_STREAM, 1, 200), ("reset", CANCEL, 1, 200), ("connect-failure", REFUSED_STREAM, 1, 503),
    ("retriable-4xx", REFUSED_STREAM, 1, 503), (None, REFUSED_STREAM, 2, 200), (None, CANCEL, 1, 503)])
def test_a_stream_that_is_refused_is_tried_again_where_the_condition_has_it_as_by_envoy(shop, family, condition, code, count, status):
    shop.apply(yaml.safe_dump(dual("refusing", {"app": "servers"}, [{"name": "http2", "port": 80, "targetPort": REFUSING_PORT}])))
    retries = {"retries": {"attempts": 1, "retryOn": condition, "backoff": "1ms"}} if condition else {}  # absent: two, and on it
    shop.apply(rules_of("refusing", [{"route": [{"destination": {"host": "refusing"}}], **retries}]))
    server = shop.popen("shop/servers-1", "/usr/bin/python3", HERE / "refusing.py", REFUSING_PORT, count, code)
    try:
        assert server.stdout.readline() == "listening\n"
        answer, = ask(shop, family, place=("refusing", 80), authority="refusing")
        assert answer["status"] == refused_envoy.status(condition, code, count) == status, answer
    finally:
        server.kill()
        server.communicate()
