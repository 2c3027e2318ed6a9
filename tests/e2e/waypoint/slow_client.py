#!/usr/bin/python3
"""A client that is slow in one way: slow_client.py HOST PORT FAMILY VERSION HOW   (VERSION: 1 or 2, by python3-h2)

HOW: half-head and half-body stop in the middle of a request, slow-body sends a byte now and then; no-read takes nothing of
a large answer until a line comes on standard input, slow-read takes a little of one now and then. The path is /HOW, of readers
/bytes/N. Prints JSON: `status`, `bytes` of the answer's body, `broken` when it broke off.
"""
import json
import socket
import sys
import time

import h2.config
import h2.connection
import h2.events
import hpack

PATIENCE_S = 25
PAUSE_S, PAUSES = 0.2, 40  # slow ones take eight seconds
PART_BYTES = 1 << 20
SLOWLY_READ, NEVER_READ = (PAUSES + 4) * PART_BYTES, (PAUSES + 8) * PART_BYTES  # more than all buffers on the way hold
HALF_BODY, WHOLE_BODY = 10, 1000
PREFACE, FRAME_HEAD, HEADERS, END_HEADERS = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 9, 1, 4


def request(how):
    """(method, path, length of the body or None)."""
    if how.endswith("-body"):
        return "POST", f"/{how}", PAUSES if how == "slow-body" else WHOLE_BODY
    if how.endswith("-read"):
        return "GET", f"/bytes/{NEVER_READ if how == 'no-read' else SLOWLY_READ}", None
    return "GET", f"/{how}", None


def http1(link, how):
    method, path, length = request(how)
    head = f"{method} {path} HTTP/1.1\r\nHost: web\r\nConnection: close\r\n" + (f"content-length: {length}\r\n" if length else "") + "\r\n"
    link.sendall(head[:-10].encode() if how == "half-head" else head.encode())
    if how == "half-body":
        link.sendall(b"x" * HALF_BODY)
    for _ in range(PAUSES if how == "slow-body" else 0):
        time.sleep(PAUSE_S)
        link.sendall(b"x")
    if how == "no-read":
        sys.stdin.readline()
    answer, broken = b"", False
    try:
        while part := link.recv(PART_BYTES):
            answer += part
            if how == "slow-read" and len(answer) // PART_BYTES > (len(answer) - len(part)) // PART_BYTES:
                time.sleep(PAUSE_S)
    except ConnectionError:
        broken = True
    head, _, body = answer.partition(b"\r\n\r\n")
    return {"status": int(head.split()[1]) if head else None, "bytes": len(body), "broken": broken}


class Http2:
    def __init__(self, link, how):
        self.link, self.how, self.out = link, how, {"status": None, "bytes": 0, "broken": False}
        self.connection = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.connection.initiate_connection()
        self.over, self.last = False, time.monotonic()

    def flush(self):
        self.link.sendall(self.connection.data_to_send())

    def half_head(self):
        """What would be said, but for END_HEADERS of the last frame (RFC 9113 section 6.2). Nothing may come behind it."""
        said = bytearray(self.connection.data_to_send())
        at, last = len(PREFACE), None
        while at < len(said):
            last, at = at, at + FRAME_HEAD + int.from_bytes(said[at:at + 3], "big")
        said[last + 4] &= ~END_HEADERS
        self.link.sendall(said)

    def heard(self):
        """All until the connection's end, by hand: python3-h2 takes nothing that comes behind a GOAWAY."""
        said, at = b"", 0
        while part := self.link.recv(PART_BYTES):
            said += part
        while at < len(said):
            begins, at = at + FRAME_HEAD, at + FRAME_HEAD + int.from_bytes(said[at:at + 3], "big")
            if said[begins - FRAME_HEAD + 3] == HEADERS:
                self.out["status"] = int(dict(hpack.Decoder().decode(said[begins:at]))[":status"])
        return self.out

    def ask(self):
        method, path, length = request(self.how)
        fields = [(":method", method), (":scheme", "http"), (":authority", "web"), (":path", path)]
        self.connection.send_headers(1, fields + ([("content-length", str(length))] if length else []), end_stream=length is None)
        if self.how == "half-head":
            return self.half_head()
        self.flush()
        for _ in range(PAUSES if self.how == "slow-body" else HALF_BODY if self.how == "half-body" else 0):
            time.sleep(PAUSE_S if self.how == "slow-body" else 0)
            self.connection.send_data(1, b"x")
            self.flush()
        if self.how == "slow-body":
            self.connection.end_stream(1)
            self.flush()

    def take(self, event):
        if isinstance(event, h2.events.ResponseReceived):
            self.out["status"] = int(dict(event.headers)[":status"])
        elif isinstance(event, h2.events.DataReceived):
            self.out["bytes"] += len(event.data)
            if self.how == "no-read":
                return
            if self.how == "slow-read" and self.out["bytes"] % PART_BYTES < len(event.data):
                time.sleep(PAUSE_S)
            self.connection.acknowledge_received_data(event.flow_controlled_length, 1)
        elif isinstance(event, h2.events.StreamEnded):
            self.over = True
        elif isinstance(event, h2.events.StreamReset):
            self.over = self.out["broken"] = True

    def run(self):
        self.ask()
        if self.how == "half-head":
            return self.heard()
        while not self.over:
            said = self.link.recv(PART_BYTES)
            if not said:
                self.over = self.out["broken"] = True
            for event in self.connection.receive_data(said):
                self.take(event)
            self.flush()
        return self.out


def main():
    host, port, family, version, how = sys.argv[1:]
    family = {"4": socket.AF_INET, "6": socket.AF_INET6}[family]
    address = socket.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)[0][4][:2]
    with socket.create_connection(address, PATIENCE_S) as link:
        print(json.dumps(http1(link, how) if version == "1" else Http2(link, how).run()))


if __name__ == "__main__":
    main()
