"""What Envoy tells of requests beyond a cluster's limits: one connection and one that may wait for it, or one request at all."""
import json
import subprocess
import sys
import threading
import time

import ask
import envoy

# By cluster: its thresholds, as Istio writes a connectionPool, and how many may wait behind the one that is under way.
MANY = 10000
LIMITS = {"waiting": ({"max_connections": 1, "max_pending_requests": 1, "max_requests": MANY}, 1),
          "requests": ({"max_connections": MANY, "max_pending_requests": MANY, "max_requests": 1}, 0)}


def cluster(name, port):
    return {**envoy.cluster(name, port), "circuit_breakers": {"thresholds": [{**LIMITS[name][0], "max_retries": MANY}]}}


def request(place, path, headers=()):
    return {"to": place, "method": "GET", "path": path, "authority": "a", "headers": list(headers)}


def told():
    """By limit, the log's "STATUS FLAGS" of each request, of one that is held and of one more than may wait behind it; and what
    x-envoy-overloaded says to those that are refused.
    """
    server = subprocess.Popen([sys.executable, envoy.HERE / "echo.py", "v1"], stdout=subprocess.PIPE, text=True)
    try:
        port = int(server.stdout.readline())
        routes = [{"match": {"prefix": f"/{one}/"}, "route": {"cluster": one, "timeout": "0s"}} for one in LIMITS]
        with envoy.running([cluster(one, port) for one in LIMITS], routes) as (place, log):
            return {one: beyond(place, log, ["localhost", port], one, may_wait) for one, (_, may_wait) in LIMITS.items()}
    finally:
        envoy.end(server)


def beyond(place, log, server, limit, may_wait):
    answers = []

    def begin(count, headers=()):
        threads = [threading.Thread(target=lambda: answers.append(ask.ask(request(place, f"/{limit}/more", headers)))) for _ in range(count)]
        for one in threads:
            one.start()
        return threads

    def wait(condition):
        until = time.monotonic() + envoy.READY_S
        while not condition():
            assert time.monotonic() < until, f"{limit}: {answers}"
            time.sleep(0.02)

    def of_server(path):
        return json.loads(ask.ask(request(server, path))["body"])

    def lines():
        return [line.split(" ", 1)[1] for line in log.read_text().splitlines() if line.startswith(f"/{limit}/more ")]
    threads = begin(1, [["x-play", "v1: hold"]])
    wait(lambda: of_server("/_held")["held"] == 1)
    threads += begin(1 + may_wait)
    wait(lambda: len(answers) == 1)
    of_server("/_release")
    for one in threads:
        one.join()
    wait(lambda: len(lines()) == 2 + may_wait)
    overloaded = [dict(one["headers"]).get("x-envoy-overloaded") for one in answers if one["status"] == 503]
    return sorted(lines()), overloaded
