"""gRPC before a real waypoint, by gRPC's own library at both ends, over both address families."""
import json
import time

import pytest

from proof_lab import HERE, PORTS, always, logged, rules_of
from waypoint_lab import wait_until

OK, CANCELLED, UNKNOWN, DEADLINE, NOT_FOUND, UNAVAILABLE = 0, 1, 2, 4, 5, 14
MESSAGES = 200


@pytest.fixture
def call(shop, family):
    def calls(*asked):
        asked = [{"to": ["servers", PORTS["grpc"]], "family": family, **one} for one in asked]
        done = shop.exec("shop/web", "/usr/bin/python3", HERE / "grpc_client.py", timeout=600, check=True,
                         input=json.dumps(asked))
        return json.loads(done.stdout)
    return calls


def rule(lab, **what):
    lab.apply(rules_of("servers", [{"route": [{"destination": {"host": "servers"}}], **what}]))


def told(call):
    return json.loads(call({"method": "Told"})[0]["messages"][0])


def test_calls_and_streams_of_each_kind_come_through_with_metadata_and_trailers(shop, call):
    rule(shop)
    one, down, up, both, failed = call(
        {"method": "Tell", "requests": ["abc"], "metadata": [["x-token", "t1"]]},
        {"method": "Down", "requests": [str(MESSAGES)]},
        {"method": "Up", "requests": ["m" * 1000] * MESSAGES},
        {"method": "Echo", "requests": [str(i) * i for i in range(MESSAGES)], "lockstep": True},
        {"method": "Fail", "requests": ["9 no, 50% café"]})
    assert {one["code"], down["code"], up["code"], both["code"]} == {OK}
    said = json.loads(one["messages"][0])
    metadata = dict(map(tuple, said["metadata"]))
    assert said["bytes"] == 3 and metadata["x-token"] == "t1" and metadata["x-envoy-attempt-count"] == "1"
    assert metadata["x-forwarded-client-cert"].endswith("/ns/shop/sa/web")
    assert ["x-first", "met"] in one["first"] and ["x-last", "met"] in one["last"] and ["x-last-bin", "00ff"] in one["last"]
    assert down["messages"] == [str(i) for i in range(MESSAGES)]
    assert json.loads(up["messages"][0]) == [MESSAGES, 1000 * MESSAGES]
    assert both["messages"] == [str(i) * i for i in range(MESSAGES)]
    assert (failed["code"], failed["details"]) == (9, "no, 50% café") and ["x-why", "told to"] in failed["last"]


def test_every_status_arrives_as_it_was_said(shop, call):
    rule(shop, retries={"attempts": 0})
    codes = list(range(1, 17))
    assert [one["code"] for one in call(*({"method": "Fail", "requests": [f"{code} x"]} for code in codes))] == codes


def left(answer):
    assert answer["code"] == OK, answer
    return json.loads(answer["messages"][0])["left"]


def test_a_callers_time_is_lowered_on_the_way_and_never_raised(shop, call):
    rule(shop)
    assert 0 < left(call({"method": "Tell", "timeout": 10})[0]) < 10
    rule(shop, timeout="5s")
    assert 0 < left(call({"method": "Tell", "timeout": 15})[0]) <= 5
    rule(shop, timeout="60s", fault=always(delay={"fixedDelay": "1s"}))
    assert 0 < left(call({"method": "Tell", "timeout": 10})[0]) <= 9
    rule(shop, timeout="1s")
    late, = call({"method": "Hang", "timeout": 15})
    assert late["code"] in (DEADLINE, UNAVAILABLE) and late["seconds"] < 10, late
    rule(shop)
    late, = call({"method": "Hang", "timeout": 1})
    assert late["code"] == DEADLINE


def test_a_call_that_is_cancelled_is_cancelled_at_the_server(shop, call):
    rule(shop)
    before = told(call)
    answer, = call({"method": "Hang", "cancel": 0.5})
    assert answer["code"] == CANCELLED
    wait_until(lambda: told(call).get("cancelled", 0) > before.get("cancelled", 0), "the server knows of it")
    assert told(call)["hangs"] == before.get("hangs", 0) + 1


def test_a_method_that_ends_while_its_client_still_streams_is_told_at_once(shop, call):
    """Its client sends a second message once the first is answered, and ends its side behind that: not before the call is over."""
    rule(shop, retries={"attempts": 3, "retryOn": "unavailable,reset"})
    before = told(call)
    well, failed, broken = call({"method": "First", "requests": ["a", "b"], "hold": True}, {"method": "Fail", "requests": ["9 no", "b"], "hold": True},
                                {"method": "Part", "requests": ["a", "b"], "hold": True})
    assert (well["code"], well["messages"]) == (OK, ["a"]), well
    assert (failed["code"], failed["details"]) == (9, "no") and ["x-why", "told to"] in failed["last"], failed
    assert (broken["code"], broken["messages"]) == (UNAVAILABLE, ["part"]), broken
    assert [told(call)[one] - before.get(one, 0) for one in ("First", "Fail", "Part")] == [1, 1, 1]


# How the calls fail over and over: at once, so that they wait for the next attempt mostly; or by hanging, so that an attempt is under way mostly.
PENDING = {"waiting": ("Tell", {"retryOn": "unavailable", "backoff": "100ms"}, [["x-fail", f"servers-1 {UNAVAILABLE}"]]),
           "hanging": ("Hang", {"retryOn": "5xx,deadline-exceeded", "perTryTimeout": "400ms", "backoff": "1ms"}, [])}
LONGEST_BACKOFF_S = 1  # ten times the rule's


@pytest.mark.parametrize("how", PENDING)
def test_a_call_that_is_cancelled_while_it_is_tried_again_is_tried_no_more(shop, call, how):
    method, retries, metadata = PENDING[how]
    rule(shop, retries={"attempts": 1000, **retries})
    before, lines = told(call), len(logged(shop, f"/test.Calls/{method}"))
    answer, = call({"method": method, "cancel": 1.5, "metadata": metadata})
    assert answer["code"] == CANCELLED, answer
    line = wait_until(lambda: logged(shop, f"/test.Calls/{method}")[lines:], "the log's line")[0]
    made = int(line.rpartition(" ")[2])
    assert made > 1 and (" DC " in line or " DR " in line), line

    def since():
        now = told(call)
        return {name: now.get(name, 0) - before.get(name, 0) for name in (method, "hangs", "cancelled")}
    if how == "hanging":
        wait_until(lambda: since()["cancelled"] == since()["hangs"], "no attempt is left at the server")
    time.sleep(1.5 * LONGEST_BACKOFF_S)
    now = since()
    assert made - 1 <= now[method] <= made, line  # the last may not have come to the server
    assert now["cancelled"] == now["hangs"]


@pytest.mark.parametrize("abort, code", [({"grpcStatus": "NOT_FOUND"}, NOT_FOUND), ({"httpStatus": 503}, UNAVAILABLE),
                                         ({"httpStatus": 500}, UNKNOWN), ({"http2Error": "REFUSED_STREAM"}, UNAVAILABLE)])
def test_faults_give_a_status_and_the_server_saw_nothing(shop, call, abort, code):
    rule(shop)
    before = told(call).get("Tell", 0)
    rule(shop, match=[{"uri": {"prefix": "/test.Calls/Tell"}}], fault=always(abort=abort))
    assert [one["code"] for one in call({"method": "Tell", "count": 5})] == [code] * 5
    rule(shop)
    assert told(call).get("Tell", 0) == before


def test_retries_on_a_status_go_to_the_other_server_with_the_same_id(shop, call):
    retries = {"attempts": 2, "retryOn": "unavailable"}
    shop.apply(rules_of("calls", [{"route": [{"destination": {"host": "calls"}}], "retries": retries}]))
    asked = {"to": ["calls", PORTS["grpc"]], "method": "Tell", "metadata": [["x-fail", f"servers-1 {UNAVAILABLE}"]], "count": 40}
    answers = call(asked)
    assert {one["code"] for one in answers} == {OK}
    said = [json.loads(one["messages"][0]) for one in answers]
    assert {one["name"] for one in said} == {"servers-2"}
    again = {m["x-request-id"] for m in (dict(map(tuple, one["metadata"])) for one in said) if m["x-envoy-attempt-count"] == "2"}
    first = {name.rpartition(" ")[2] for name in told(call) if name.startswith("attempt 1 of")}
    assert again and again <= first
    other = call({**asked, "metadata": [["x-fail", f"servers-1 {NOT_FOUND}"]]})
    assert {one["code"] for one in other} == {OK, NOT_FOUND}
