#!/usr/bin/python3
"""Load on connections that are kept, over both address families: load_client.py HOST PORT CALLS_HOST CALLS_PORT    (python3-grpcio)

To HOST requests of HTTP/1.1, to CALLS_HOST gRPC calls, several streams of a connection at once. Each answer has to be that of its
request. Says "asking" once all have been answered. A line on standard input ends it, and a JSON object is printed: `answered` and
`opened` (connections) by kind, `failed`: what else came.
"""
import collections
import http.client
import json
import os
import socket
import sys
import threading
import time

import grpc

FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
CONNECTIONS, CHANNELS, STREAMS = 4, 2, 4  # a family; connections of gRPC, and streams in each
BETWEEN_S = 0.01
TIMEOUT_S = 60
MOST_BYTES = 20_000
# A call is made again by the client's own library only where the server says that it did not see it (RFC 9113 section 6.8), as
# GOAWAY met it on its way: gRPC's transparent retries. Without them such a call would fail, whatever the server does.
OPTIONS = [("grpc.enable_http_proxy", 0), ("grpc.default_authority", "calls"), ("grpc.use_local_subchannel_pool", 1)]


def words(error):
    """What went wrong, in one line."""
    return f"{error.code().name} {error.details()}" if isinstance(error, grpc.RpcError) else repr(error)


class Load:
    def __init__(self, web, calls):
        self.web, self.calls = web, calls
        self.lock, self.over = threading.Lock(), threading.Event()
        self.answered, self.opened, self.failed = collections.Counter(), collections.Counter(), []
        workers = [(self.ask, family) for family in FAMILIES for _ in range(CONNECTIONS)]
        for family in FAMILIES:
            for _ in range(CHANNELS):
                channel = grpc.insecure_channel(self.target(family), options=OPTIONS)
                workers += [(self.call, channel)] * STREAMS
        self.first = threading.Barrier(len(workers) + 1)
        self.threads = [threading.Thread(target=self.work, args=one, daemon=True) for one in workers]

    def address(self, place, family):
        return socket.getaddrinfo(*place, family=FAMILIES[family], type=socket.SOCK_STREAM)[0][4][:2]

    def target(self, family):
        host, port = self.address(self.calls, family)
        return f"ipv4:{host}:{port}" if family == 4 else f"ipv6:[{host}]:{port}"

    def work(self, one, place):
        """Asks again and again; what one() keeps from one time to the next is in `kept`."""
        kept, number = {}, 0
        while not self.over.is_set():
            number += 1
            try:
                one(place, kept, f"{threading.get_ident()}-{number}")
                with self.lock:
                    self.answered[one.__name__] += 1
            except (OSError, http.client.HTTPException, grpc.RpcError, ValueError, KeyError, AssertionError) as error:
                kept.clear()
                with self.lock:
                    self.failed.append(f"{one.__name__} {number}: {words(error)}")
            if number == 1:
                self.first.wait()
            time.sleep(BETWEEN_S)

    def ask(self, family, kept, name):
        if "link" not in kept:
            kept["link"] = http.client.HTTPConnection(*self.address(self.web, family), timeout=TIMEOUT_S)
            with self.lock:
                self.opened["ask"] += 1
        body = name * 50
        kept["link"].request("POST", f"/{name}", body, {"host": "web"})
        answer = kept["link"].getresponse()
        told = json.loads(answer.read())
        assert (answer.status, told["path"], told["body"]) == (200, f"/{name}", body), (answer.status, told)
        if answer.will_close:
            kept.pop("link").close()

    def call(self, channel, kept, name):
        body = name.encode() + os.urandom(sum(name.encode()) * 997 % MOST_BYTES)
        echo = channel.stream_stream("/test.Calls/Echo")
        assert list(echo(iter([body, body]), timeout=TIMEOUT_S)) == [body, body]

    def run(self):
        for thread in self.threads:
            thread.start()
        self.first.wait()
        print("asking", flush=True)
        sys.stdin.readline()
        self.over.set()
        for thread in self.threads:
            thread.join()
        json.dump({"answered": self.answered, "opened": self.opened, "failed": self.failed}, sys.stdout)


if __name__ == "__main__":
    host, port, calls_host, calls_port = sys.argv[1:]
    Load((host, int(port)), (calls_host, int(calls_port))).run()
