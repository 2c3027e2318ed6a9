"""What retries send, and how many there may be at once, at a real waypoint over both address families."""
import hashlib
import json
import os
import threading

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
