#!/usr/bin/python3
"""The destination of the tables: answers with what it received, and plays what the request tells it to.

usage: echo.py VERSION [--port N]     prints the port it listens on; 0, the default, takes any

`x-play: v2: 500 twice` makes version v2 answer its first two requests of that `x-ask` so; other versions answer as ever.
`v2-.: 500` means all of v2-1 to v2-9, `v2: 503 with x-name` answers with that header too, `v2: grpc 14` answers 200 with that grpc-status, `v2: hold` keeps the request until `/_release` is asked for, or who asked has gone, and
`v2: cut` ends the connection in the middle of the answer's body. Of several, `v2: 500 once, v2: hold`, the first that holds counts.
The answer is JSON: version, method, path, headers in order, trailers, the body's length, and how many requests with this
`x-ask` have come so far, and how many on this connection; that of `/trailers` ends in a trailer, x-end. `/_told` is answered with what came before: how often each
"HOST BYTES HASH OF THE BODY"; `/_held` with how many requests are held, and how many of
the held had gone; `/_mirrored` with the hosts of each `x-ask` that was a copy (HOST-shadow); `/_tries` with the pairs of `x-request-id` and `x-envoy-attempt-count` of what had an `x-play`.
`v2: reset`, alone, resets the connection before there is any answer.
"""
import argparse
import collections
import hashlib
import http.server
import json
import re
import select
import socket
import struct
import threading
import time

PLAY = re.compile(r"(?P<who>[\w.-]+): (?:wait (?P<wait>\d+)s|(?P<status>\d{3})(?: with (?P<header>[\w-]+))?|(?P<act>hold|cut)|grpc (?P<grpc>\d+))"
                  r"(?: (?P<times>once|twice|always))?$")
TIMES = {"once": 1, "twice": 2}
LOOK_S = 0.02  # how often a held request looks around
RESET = re.compile(r"([\w.-]+): reset(?: (?P<times>once|twice|always))?$")
NO_LINGER = struct.pack("ii", 1, 0)  # closing resets


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    address_family = socket.AF_INET6
    request_queue_size = 256

    def __init__(self, version, port):
        self.version = version
        self.asked = collections.Counter()
        self.told = collections.Counter()
        self.held = {"held": 0, "gone": 0}
        self.releases = 0
        self.tries = []
        self.mirrored = collections.defaultdict(list)
        self.lock = threading.Lock()
        super().__init__(("::", port), Handler)

    def server_bind(self):
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().server_bind()

    def count(self, name):
        with self.lock:
            self.asked[name] += 1
            return self.asked[name]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    nth = 0  # of this connection's requests
    cut = False  # the answer breaks off
    grpc = None  # the answer's grpc-status
    header = None  # and one of its headers

    def do(self):
        if self.path == "/_told":
            return self.answer(200, self.server.told)
        if self.path == "/_held":
            return self.answer(200, self.server.held)
        if self.path == "/_tries":
            return self.answer(200, self.server.tries)
        if self.path == "/_mirrored":
            return self.answer(200, self.server.mirrored)
        if self.path == "/_release":
            self.server.releases += 1
            return self.answer(200, {})
        self.nth += 1
        self.trailers = []
        body = self.body()
        with self.server.lock:
            self.server.told[f"{self.headers.get('host')} {len(body)} {hashlib.sha256(body).hexdigest()}"] += 1
        host = self.headers.get("host", "")
        if "-shadow" in host:
            self.server.mirrored[self.headers.get("x-ask", "")].append(host)
        if "x-play" in self.headers:
            self.server.tries.append([self.headers.get("x-request-id"), self.headers.get("x-envoy-attempt-count")])
        number = self.server.count(self.headers.get("x-ask", ""))
        if self.is_reset(number):
            return self.reset()
        status = self.play(number)
        return self.answer(status, {"version": self.server.version, "method": self.command, "path": self.path,
                                    "headers": [[name.lower(), value] for name, value in self.headers.items()],
                                    "trailers": self.trailers, "bytes": len(body), "number": number, "nth": self.nth})

    def body(self):
        """All of it, whether its length is told before or chunk by chunk."""
        if self.headers.get("transfer-encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        while line := self.rfile.readline().strip():
            name, _, value = line.decode().partition(":")
            self.trailers.append([name.lower(), value.strip()])
        return b"".join(parts)

    def answer(self, status, value):
        answer = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("x-served", "1")
        self.send_header("x-version", self.server.version)  # for who gets no body
        self.send_header("content-type", "application/json" if self.grpc is None else "application/grpc")
        if self.grpc is not None:
            self.send_header("grpc-status", self.grpc)
        if self.header is not None:
            self.send_header(self.header, "1")
        if self.path == "/trailers" and self.command != "HEAD":
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"%x\r\n%s\r\n0\r\nx-end: here\r\n\r\n" % (len(answer), answer))
            return
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        if self.cut:
            answer = answer[:len(answer) // 2]
        if self.command != "HEAD":
            self.wfile.write(answer)

    def play(self, number):
        self.grpc = self.header = None
        for text in self.headers.get("x-play", "").split(", "):
            match = PLAY.match(text)
            if match and re.fullmatch(match["who"], self.server.version) and number <= TIMES.get(match["times"], number):
                break
        else:
            return 200
        if match["wait"]:
            time.sleep(int(match["wait"]))
        self.grpc, self.header = match["grpc"], match["header"]
        if match["act"] == "hold":
            self.hold()
        if match["act"] == "cut":
            self.close_connection = self.cut = True
        return int(match["status"] or 200)

    def is_reset(self, number):
        match = RESET.match(self.headers.get("x-play", ""))
        return bool(match and re.fullmatch(match[1], self.server.version) and number <= TIMES.get(match["times"], number))

    def reset(self):
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        self.connection.close()

    def hold(self):
        releases, held = self.server.releases, self.server.held
        with self.server.lock:
            held["held"] += 1
        gone = False
        while self.server.releases == releases and not gone:
            # Nothing more is to come on this connection but its end.
            gone = bool(select.select([self.connection], [], [], LOOK_S)[0])
        with self.server.lock:
            held["held"] -= 1
            held["gone"] += gone

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_HEAD = do

    def handle(self):
        try:
            super().handle()
        except ConnectionError:  # who asked has gone, as after a timeout
            pass

    def log_message(self, *_):
        pass


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("version")
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    server = Server(options.version, options.port)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
