"""What Envoy does with streams that its destination refuses (refusing.py), by what its route tries again."""
import socket
import subprocess
import sys

import ask
import envoy

# Istio's own, where a rule says nothing: so many retries, on these.
DEFAULT = {"num_retries": 2, "retry_on": "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes"}
HTTP2 = {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
    "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
    "explicit_http_config": {"http2_protocol_options": {}}}}


def cluster(name, port):
    return {**envoy.cluster(name, port), "typed_extension_protocol_options": HTTP2}


def status(condition, code, count):
    """Of one request, where the first `count` streams are reset with this code."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    server = subprocess.Popen([sys.executable, envoy.HERE / "refusing.py", str(port), str(count), str(code)], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout.readline() == "listening\n"
        policy = {"num_retries": 1, "retry_on": condition} if condition else DEFAULT
        routes = [{"match": {"path": "/refused"}, "route": {"cluster": "refusing", "retry_policy": policy}}]
        with envoy.running([cluster("refusing", port)], routes) as (place, _):
            return ask.ask({"to": place, "method": "GET", "path": "/refused", "authority": "a", "headers": []})["status"]
    finally:
        server.kill()
        server.communicate()
