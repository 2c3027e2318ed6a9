#!/usr/bin/python3
"""A tunnel that stays: one CONNECT, held; says each line of standard input through it.

usage: hbone_holder.py IP --roots FILE --cert FILE --key FILE --authority IP:PORT

Prints a JSON line for each thing that happens: {"status": 200}, {"answer": TEXT}, {"goaway": [last
stream, error code]}, {"ended": TEXT} of the stream, and at the end {"closed": how}.
"""
import argparse
import json
import os
import select
import socket
import ssl
import sys

from hbone_client import ACK, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, RST_STREAM, SETTINGS
from hbone_client import frame, literal, status_of


def tell(**what):
    print(json.dumps(what), flush=True)


class Tunnel:
    def __init__(self, sock, authority):
        self.sock, self.buffer = sock, b""
        block = literal(":method", "CONNECT") + literal(":authority", authority)
        sock.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0) +
                     frame(HEADERS, END_HEADERS, 1, block))

    def frames(self):
        while len(self.buffer) >= 9 and len(self.buffer) >= 9 + (size := int.from_bytes(self.buffer[:3], "big")):
            kind, flags, payload = self.buffer[3], self.buffer[4], self.buffer[9:9 + size]
            self.buffer = self.buffer[9 + size:]
            yield kind, flags, payload

    def received(self, data):
        self.buffer += data
        for kind, flags, payload in self.frames():
            if kind in (SETTINGS, PING) and not flags & ACK:
                self.sock.sendall(frame(kind, ACK, 0, payload if kind == PING else b""))
            elif kind == GOAWAY:
                tell(goaway=[int.from_bytes(payload[:4], "big"), int.from_bytes(payload[4:8], "big")])
            elif kind == RST_STREAM:
                tell(ended=f"RST_STREAM {int.from_bytes(payload, 'big')}")
            elif kind == HEADERS:
                tell(status=status_of(payload))
            elif kind == DATA and payload:
                tell(answer=payload.decode().strip())
            if kind in (HEADERS, DATA) and flags & END_STREAM:
                tell(ended="END_STREAM")

    def run(self):
        watched = [self.sock, sys.stdin]
        while True:
            ready = [] if self.sock.pending() else select.select(watched, [], [])[0]
            if self.sock in ready or not ready:
                data = self.sock.recv(65536)
                if not data:
                    return "in order"
                self.received(data)
            if sys.stdin in ready:
                line = os.read(sys.stdin.fileno(), 4096)
                if not line:
                    watched.remove(sys.stdin)
                self.sock.sendall(frame(DATA, 0 if line else END_STREAM, 1, line))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("ip")
    for name in ("roots", "cert", "key", "authority"):
        parser.add_argument("--" + name, required=True)
    options = parser.parse_args()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(options.roots)
    context.set_alpn_protocols(["h2"])
    context.load_cert_chain(options.cert, options.key)
    try:
        with socket.create_connection((options.ip, 15008), timeout=10) as plain:
            plain.settimeout(None)
            with context.wrap_socket(plain) as sock:
                tell(closed=Tunnel(sock, options.authority).run())
    except OSError as error:
        tell(closed=type(error).__name__)


if __name__ == "__main__":
    main()
