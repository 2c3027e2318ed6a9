#!/usr/bin/python3
"""A gRPC server that says what it saw: grpc_server.py NAME PORT     (python3-grpcio)

Any service; by method: Tell (one message: JSON of name, metadata, seconds that are left, bytes), Fail ("CODE TEXT", with a
trailer), Part (a message, then fails as unavailable), Down (as many messages as asked for), Up (how many came, how many bytes), Echo (each message back), First (the first message back, and it ends well), Hang (until
cancelled), Told (what came so far: calls by method, attempts by request id, how many hung and were cancelled). Metadata
`x-fail: NAME CODE` makes that server fail so.
"""
import collections
import json
import sys
import threading
from concurrent import futures

import grpc

CODES = {code.value[0]: code for code in grpc.StatusCode}
THREADS = 200
HANG_S = 60


class Calls(grpc.GenericRpcHandler):
    def __init__(self, name):
        self.name, self.counts, self.lock = name, collections.Counter(), threading.Lock()

    def service(self, details):
        method = details.method.rsplit("/", 1)[1]
        work = getattr(self, method.lower(), None)
        if work is None:
            return None

        def serve(requests, context):
            metadata = dict(context.invocation_metadata())
            if method != "Told":
                self.count(method)
                self.count(f"attempt {metadata.get('x-envoy-attempt-count')} of {metadata.get('x-request-id')}")
            who, _, code = metadata.get("x-fail", "").partition(" ")
            if who == self.name:
                context.abort(CODES[int(code)], f"{self.name} fails")
            yield from work(requests, context)
        return grpc.stream_stream_rpc_method_handler(serve)

    def count(self, what):
        with self.lock:
            self.counts[what] += 1

    def tell(self, requests, context):
        size = sum(len(one) for one in requests)
        context.send_initial_metadata([("x-first", "met")])
        context.set_trailing_metadata([("x-last", "met"), ("x-last-bin", b"\x00\xff")])
        yield json.dumps({"name": self.name, "left": context.time_remaining(), "bytes": size,
                          "metadata": [list(pair) for pair in context.invocation_metadata() if isinstance(pair[1], str)]}).encode()

    def fail(self, requests, context):
        code, text = next(requests).decode().split(" ", 1)
        context.set_trailing_metadata([("x-why", "told to")])
        context.abort(CODES[int(code)], text)
        yield b""

    def part(self, requests, context):
        yield b"part"
        context.abort(grpc.StatusCode.UNAVAILABLE, "no more")

    def down(self, requests, context):
        for i in range(int(next(requests))):
            yield str(i).encode()

    def up(self, requests, context):
        sizes = [len(one) for one in requests]
        yield json.dumps([len(sizes), sum(sizes)]).encode()

    def echo(self, requests, context):
        yield from requests

    def first(self, requests, context):
        yield next(requests)

    def hang(self, requests, context):
        cancelled = threading.Event()
        context.add_callback(cancelled.set)
        self.count("hangs")
        self.count("cancelled" if cancelled.wait(HANG_S) else "hung")
        yield b""

    def told(self, requests, context):
        with self.lock:
            yield json.dumps(self.counts).encode()


def main():
    name, port = sys.argv[1:]
    calls = Calls(name)
    server = grpc.server(futures.ThreadPoolExecutor(THREADS), options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers([calls])
    if not server.add_insecure_port(f"[::]:{port}"):
        sys.exit(1)
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    main()
