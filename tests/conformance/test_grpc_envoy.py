"""What gRPC clients are told when something goes wrong: by a real waypoint as by Envoy 1.40, in the same test."""
import json
import pathlib
import subprocess
import sys
import tempfile
import time

import pytest

import envoy
from proof_lab import HERE, PORTS, always, rules_of
from waypoint_lab import free_port

FAULT = "envoy.filters.http.fault"


def injected(**abort):
    fault = envoy.typed("http.fault.v3.HTTPFault", abort={**abort, "percentage": {"numerator": 100}})
    return {"route": {"cluster": "calls", "timeout": "0s"}, "typed_per_filter_config": {FAULT: fault}}


# By the value of x-case: the rule's part, Envoy's route, and the call.
CASES = {
    "plain": ({}, {}, {}),
    "status": ({"fault": always(abort={"grpcStatus": "NOT_FOUND"})}, injected(grpc_status=5), {}),
    **{f"http-{code}": ({"fault": always(abort={"httpStatus": code})}, injected(http_status=code), {})
       for code in (400, 401, 403, 404, 429, 500, 502, 503, 504, 418, 200)},
    "slow": ({"timeout": "0.5s"}, {"route": {"cluster": "calls", "timeout": "0.5s"}}, {"method": "Hang"}),
    "direct": ({"directResponse": {"status": 403, "body": {"string": "not you"}}},
               {"direct_response": {"status": 403, "body": {"inline_string": "not you"}}}, {}),
    "direct-200": ({"directResponse": {"status": 200, "body": {"string": "here"}}},
                   {"direct_response": {"status": 200, "body": {"inline_string": "here"}}}, {}),
    "redirect": ({"redirect": {"uri": "/else"}}, {"redirect": {"path_redirect": "/else"}}, {}),
    "nowhere": ({"route": [{"destination": {"host": "nobody"}}]}, {"route": {"cluster": "nobody"}}, {}),
    "retried": ({"retries": {"attempts": 1, "retryOn": "unavailable"}},
                {"route": {"cluster": "calls", "timeout": "0s", "retry_policy": {"retry_on": "unavailable", "num_retries": 1}}},
                {"metadata": [["x-fail", "servers-1 14"]]}),
}

SERVERS_DEADLINE = (4, "Deadline Exceeded")


def asked(place, family):
    calls = []
    for name, (_, _, call) in CASES.items():
        metadata = [["x-case", name], *call.get("metadata", [])]
        calls.append({"to": place, "family": family, "method": "Tell", **call, "metadata": metadata})
    return json.dumps(calls)


def told(text):
    """By case: the status and its text."""
    return {name: (one["code"], one["details"]) for name, one in zip(CASES, json.loads(text), strict=True)}


def config(listens, server):
    routes = []
    for name, (_, route, _) in CASES.items():
        routes.append({"match": {"prefix": "/", "headers": [{"name": "x-case", "string_match": {"exact": name}}]},
                       **(route or {"route": {"cluster": "calls", "timeout": "0s"}})})
    filters = [{"name": FAULT, "typed_config": envoy.typed("http.fault.v3.HTTPFault")},
               {"name": "envoy.filters.http.router", "typed_config": envoy.typed("http.router.v3.Router")}]
    manager = envoy.typed("network.http_connection_manager.v3.HttpConnectionManager", stat_prefix="calls", http_filters=filters,
                          route_config={"validate_clusters": False, "virtual_hosts": [
                              {"name": "all", "domains": ["*"], "routes": routes}]})
    http2 = {"@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
             "explicit_http_config": {"http2_protocol_options": {}}}
    cluster = {**envoy.cluster("calls", server), "typed_extension_protocol_options": {
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": http2}}
    address = {"socket_address": {"address": "127.0.0.1", "port_value": listens}}
    return {"static_resources": {"clusters": [cluster], "listeners": [
        {"name": "calls", "address": address, "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}]}]}}


@pytest.fixture(scope="module")
def by_envoy():
    listens, server = free_port(), free_port()
    with tempfile.TemporaryDirectory(prefix="culvert-envoy-") as folder:
        path = pathlib.Path(folder) / "envoy.json"
        path.write_text(json.dumps(config(listens, server)))
        log = (pathlib.Path(folder) / "log").open("w")
        processes = [subprocess.Popen([sys.executable, HERE / "grpc_server.py", "servers-1", str(server)]),
                     subprocess.Popen([envoy.binary(), "-c", path, "--concurrency", "1", "-l", "warning", "--disable-hot-restart"],
                                      stdout=log, stderr=subprocess.STDOUT)]
        try:
            deadline = time.monotonic() + envoy.READY_S
            while True:
                done = subprocess.run([sys.executable, HERE / "grpc_client.py"], input=asked(["127.0.0.1", listens], 4), text=True,
                                      capture_output=True, timeout=600, check=True)
                if told(done.stdout)["plain"][0] == 0:
                    break
                assert time.monotonic() < deadline, (pathlib.Path(folder) / "log").read_text()[-3000:]
            yield told(done.stdout)
        finally:
            for one in processes:
                envoy.end(one)
            log.close()


def test_a_waypoint_tells_grpc_clients_what_envoy_does(shop, family, by_envoy):
    http = []
    for name, (rule, _, _) in CASES.items():
        route = {} if {"route", "directResponse", "redirect"} & set(rule) else {"route": [{"destination": {"host": "servers"}}]}
        http.append({"match": [{"headers": {"x-case": {"exact": name}}}], **route, **rule})
    shop.apply(rules_of("servers", http))
    done = shop.exec("shop/web", "/usr/bin/python3", HERE / "grpc_client.py", timeout=600, check=True,
                     input=asked(["servers", PORTS["grpc"]], family))
    ours = told(done.stdout)
    # A waypoint tells the server what time is left, which Envoy does not by itself: either may be the first to say that it is over.
    if ours["slow"] == SERVERS_DEADLINE:
        ours["slow"] = by_envoy["slow"]
    differs = {name: (ours[name], by_envoy[name]) for name in CASES if ours[name] != by_envoy[name] and name != "plain"}
    assert not differs
