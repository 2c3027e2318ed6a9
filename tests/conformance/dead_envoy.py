"""What Envoy tells of a cluster whose endpoints are all dead: with retries, and with outlier detection beside them or without."""
import socket
import time

import ask
import envoy

ENDPOINTS = 2
# As Istio writes it: nobody is asked who was ejected, however few are left.
EJECTING = {"outlier_detection": {"consecutive_5xx": 1, "interval": "1s", "base_ejection_time": "900s", "max_ejection_percent": 100},
            "common_lb_config": {"healthy_panic_threshold": {"value": 0}}}
CLUSTERS = {"plain": {}, "ejecting": EJECTING}
RETRIES = {"retry_on": "5xx,connect-failure", "num_retries": 3 * ENDPOINTS, "retry_back_off": {"base_interval": "0.001s"}}
TIMES = 5  # at least, of each; ejection takes a while to be known to who asks


def closed_ports():
    """Ports of nobody: bound, and not listened on, while inside `with`."""
    held = [socket.socket() for _ in range(ENDPOINTS)]
    for one in held:
        one.bind(("127.0.0.1", 0))
    return held


def cluster(name, ports):
    endpoints = [{"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}} for port in ports]
    return {**envoy.cluster(name, 1), "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]},
            **CLUSTERS[name]}


def routes():
    return [{"match": {"path": f"/{name}"}, "route": {"cluster": name, "timeout": "10s", "retry_policy": RETRIES}} for name in CLUSTERS]


def told():
    """By cluster, what one request is answered with in the end: {"plain": ("503", {"UF", "URX"}), ...}."""
    held = closed_ports()
    ports = [one.getsockname()[1] for one in held]
    try:
        with envoy.running([cluster(name, ports) for name in CLUSTERS], routes()) as (place, log):
            return {path: answered(place, log, path) for path in CLUSTERS}
    finally:
        for one in held:
            one.close()


def answered(place, log, path):
    """The status and the flags of the last of many requests, or the first that nobody could be asked for."""
    request = {"to": place, "method": "GET", "path": f"/{path}", "authority": "a", "headers": []}
    until, lines = time.monotonic() + envoy.READY_S, []
    while (len(lines) < TIMES or path == "ejecting") and not (lines and lines[-1].endswith(" UH")):
        assert time.monotonic() < until, lines[-3:]
        ask.ask(request)
        time.sleep(0.1)  # the log is written later
        lines = [line for line in log.read_text().splitlines() if line.startswith(f"/{path} ")]
    _, status, flags = lines[-1].split()
    return status, set(flags.split(","))
