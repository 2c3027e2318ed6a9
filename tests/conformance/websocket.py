#!/usr/bin/python3
"""A WebSocket (RFC 6455) by hand, both ends, over HTTP/1.1 (an Upgrade) or HTTP/2 (an extended CONNECT, RFC 8441):

    websocket.py serve PORT                            takes either version
    websocket.py call HOST PORT FAMILY VERSION END...  VERSION: 1 or 2; a conversation for each END

The server greets with the version that it was spoken to in, then sends each message back, and says a ping's bytes in its pong.
END is how a conversation ends: WHO-HOW, of client or server, by a close message, by the end of its bytes without one, or by a reset. The
client prints what it heard as JSON, one for each. A plain GET is answered 426; `/ends` with how conversations ended for the server.
"""
import base64
import hashlib
import http.client
import json
import os
import socket
import socketserver
import struct
import sys

import websocket_http2
from websocket_http2 import Cut

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
BY_CLIENT, BY_SERVER = 1000, 1001  # codes of a close (section 7.4.1)
TIMEOUT_S = 60
MESSAGES = [(TEXT, b"short"), (BINARY, bytes(range(200))), (TEXT, b"y" * 100_000), (BINARY, bytes(range(256)) * 300), (BINARY, b"")]
PLEASE = "please: "  # tells the server how to end


def accept_of(key):
    return base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()


def frame(opcode, payload, mask=b""):
    """One frame, final; a client's has a mask."""
    size = len(payload)
    bit = 0x80 if mask else 0
    if size < 126:
        head = struct.pack("!BB", 0x80 | opcode, bit | size)
    elif size < 1 << 16:
        head = struct.pack("!BBH", 0x80 | opcode, bit | 126, size)
    else:
        head = struct.pack("!BBQ", 0x80 | opcode, bit | 127, size)
    return head + mask + (bytes(b ^ mask[i % 4] for i, b in enumerate(payload)) if mask else payload)


def read_frame(stream):
    """(opcode, payload); raises EOFError at an end without a close."""
    head = stream.read(2)
    if len(head) < 2:
        raise EOFError
    size, masked = head[1] & 0x7F, head[1] & 0x80
    if size == 126:
        size = struct.unpack("!H", stream.read(2))[0]
    elif size == 127:
        size = struct.unpack("!Q", stream.read(8))[0]
    mask = stream.read(4) if masked else b""
    payload = stream.read(size)
    return head[0] & 0x0F, bytes(b ^ mask[i % 4] for i, b in enumerate(payload)) if masked else payload


class Http1Stream:
    """The bytes of a connection behind its upgrade."""

    def __init__(self, link, file):
        self.link, self.file = link, file

    def read(self, size):
        try:
            return self.file.read(size)
        except ConnectionError as error:
            raise Cut from error

    def write(self, data):
        self.link.sendall(data)

    def end(self):
        self.link.shutdown(socket.SHUT_WR)

    def reset(self):
        self.link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.file.close()
        self.link.close()


def how_it_ends(stream):
    """What comes where nothing but an end may come."""
    try:
        return "end" if stream.read(1) == b"" else "more"
    except Cut:
        return "reset"


def serve(stream, version):
    """One conversation, and how it ended for the server."""
    try:
        stream.write(frame(TEXT, f"welcome over {version}".encode()))
        while True:
            opcode, payload = read_frame(stream)
            if opcode == CLOSE:
                stream.write(frame(CLOSE, payload))
                stream.end()
                return f"close {struct.unpack('!H', payload)[0]}"
            if payload.startswith(PLEASE.encode()):
                return end_as(stream, payload.decode()[len(PLEASE):], BY_SERVER, b"")
            stream.write(frame(PONG if opcode == PING else opcode, payload))
    except EOFError:
        stream.end()
        return "end"
    except (Cut, ConnectionError):
        return "reset"


def end_as(stream, how, code, mask):
    """Ends a conversation, and tells what the other side said to it."""
    if how == "reset":
        stream.reset()
        return "own reset"
    if how == "end":
        stream.end()
        return how_it_ends(stream)
    stream.write(frame(CLOSE, struct.pack("!H", code), mask))
    opcode, payload = read_frame(stream)
    stream.end()
    return f"close {struct.unpack('!H', payload)[0]}, {how_it_ends(stream)}" if opcode == CLOSE else f"opcode {opcode}"


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        if self.rfile.peek(1)[:3] == b"PRI":
            websocket_http2.serve(self.request, self.rfile, lambda stream: self.server.ends.append(serve(stream, "HTTP/2")))
        else:
            self.serve_http1()

    def serve_http1(self):
        headers, request = {}, self.rfile.readline()
        while line := self.rfile.readline().strip().decode():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        key = headers.get("sec-websocket-key")
        if request.startswith(b"GET /ends "):
            said = json.dumps(self.server.ends).encode()
            self.wfile.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n" + said)
            return
        if headers.get("upgrade", "").lower() != "websocket" or not key:
            self.wfile.write(b"HTTP/1.1 426 Upgrade Required\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            return
        self.wfile.write(f"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
                         f"sec-websocket-accept: {accept_of(key)}\r\n\r\n".encode())
        self.server.ends.append(serve(Http1Stream(self.request, self.rfile), "HTTP/1.1"))

    def finish(self):
        if self.request.fileno() >= 0:
            super().finish()


class Server(socketserver.ThreadingTCPServer):
    address_family, daemon_threads, allow_reuse_address = socket.AF_INET6, True, True
    ends = []  # of all conversations


def open_http1(link):
    key = base64.b64encode(os.urandom(16)).decode()
    link.sendall(f"GET /socket HTTP/1.1\r\nHost: servers\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
    file = link.makefile("rb")
    status = int(file.readline().split()[1])
    headers = http.client.parse_headers(file)
    return status, headers["sec-websocket-accept"] == accept_of(key), Http1Stream(link, file)


def converse(address, version, how_ended):
    """One conversation over a connection of its own, and what was heard."""
    link, out = socket.create_connection(address, TIMEOUT_S), {"echoed": 0}
    if version == "1":
        out["status"], out["accepted"], stream = open_http1(link)
    else:
        out["status"], out["accepted"], stream = websocket_http2.open_socket(link, "servers", "/socket")
    if out["status"] not in (101, 200):
        return out
    out["welcome"] = read_frame(stream)[1].decode()
    for opcode, payload in MESSAGES:
        stream.write(frame(opcode, payload, os.urandom(4)))
        out["echoed"] += read_frame(stream) == (opcode, payload)
    stream.write(frame(PING, b"there?", os.urandom(4)))
    out["pong"] = read_frame(stream) == (PONG, b"there?")
    who, how = how_ended.split("-")
    if who == "client":
        out["end"] = end_as(stream, how, BY_CLIENT, os.urandom(4))
    else:
        stream.write(frame(TEXT, f"{PLEASE}{how}".encode(), os.urandom(4)))
        out["end"] = heard_from_server(stream)
    link.close()
    return out


def heard_from_server(stream):
    """How the server ended; the client says the same."""
    try:
        opcode, payload = read_frame(stream)
        stream.write(frame(opcode, payload, os.urandom(4)))
        stream.end()
        return f"close {struct.unpack('!H', payload)[0]}, {how_it_ends(stream)}" if opcode == CLOSE else f"opcode {opcode}"
    except EOFError:
        stream.end()
        return "end"
    except Cut:
        return "reset"


def call(host, port, family, version, *ends):
    family = {"4": socket.AF_INET, "6": socket.AF_INET6}[family]
    address = socket.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)[0][4][:2]
    print(json.dumps([converse(address, version, one) for one in ends]))


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        Server(("::", int(sys.argv[2])), Handler).serve_forever()
    else:
        call(*sys.argv[2:])
