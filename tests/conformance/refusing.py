#!/usr/bin/python3
"""An HTTP/2 server that refuses streams: refusing.py PORT COUNT [RESET_CODE]

Of all streams the first COUNT are reset, with REFUSED_STREAM unless another code is given; those behind them are
answered 200, with nothing in it. No more of HTTP/2 (RFC 9113) than that.
"""
import socket
import socketserver
import struct
import sys

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADERS, RST_STREAM, SETTINGS, PING = 1, 3, 4, 6
ACK, END_STREAM, END_HEADERS = 1, 1, 4
REFUSED_STREAM = 7
STATUS_200 = b"\x88"  # RFC 7541, appendix A: the 8th of the static table


def frame(kind, flags, stream, payload=b""):
    return struct.pack("!I", len(payload))[1:] + struct.pack("!BBI", kind, flags, stream) + payload


class Server(socketserver.ThreadingTCPServer):
    address_family = socket.AF_INET6
    allow_reuse_address = daemon_threads = True
    count, code, seen = 0, REFUSED_STREAM, 0  # `seen` of all connections


class Refusing(socketserver.StreamRequestHandler):
    def handle(self):
        if self.rfile.read(len(PREFACE)) != PREFACE:
            return
        self.wfile.write(frame(SETTINGS, 0, 0))
        while len(head := self.rfile.read(9)) == 9:
            size = int.from_bytes(head[:3], "big")
            kind, flags, stream = struct.unpack("!BBI", head[3:])
            self.take(kind, flags, stream, self.rfile.read(size))

    def take(self, kind, flags, stream, payload):
        if kind in (SETTINGS, PING) and not flags & ACK:
            self.wfile.write(frame(kind, ACK, 0, payload if kind == PING else b""))
        elif kind == HEADERS:
            self.server.seen += 1
            if self.server.seen <= self.server.count:
                self.wfile.write(frame(RST_STREAM, 0, stream, struct.pack("!I", self.server.code)))
            else:
                self.wfile.write(frame(HEADERS, END_STREAM | END_HEADERS, stream, STATUS_200))


def main():
    server = Server(("::", int(sys.argv[1])), Refusing)
    server.count = int(sys.argv[2])
    server.code = int(sys.argv[3]) if sys.argv[3:] else REFUSED_STREAM
    print("listening", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
