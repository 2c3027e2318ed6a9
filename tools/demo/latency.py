#!/usr/bin/python3
"""Measures requests over one kept connection and over new ones; prints medians in microseconds as JSON.

usage: latency.py HOST PORT COUNT
"""
import http.client
import json
import statistics
import sys
import time

host, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])


def ask(connection):
    connection.request("GET", "/latency")
    connection.getresponse().read()


def measure(step):
    times = []
    for _ in range(count):
        start = time.perf_counter()
        step()
        times.append((time.perf_counter() - start) * 1e6)
    times.sort()
    return {"p50": statistics.median(times), "p99": times[min(count - 1, count * 99 // 100)]}


def fresh():
    connection = http.client.HTTPConnection(host, port, timeout=10)
    ask(connection)
    connection.close()


kept = http.client.HTTPConnection(host, port, timeout=10)
for _ in range(10):  # the tunnel, the caches
    ask(kept)
print(json.dumps({"kept": measure(lambda: ask(kept)), "new": measure(fresh)}))
