#!/usr/bin/python3
"""A WebSocket (RFC 6455) by hand, both ends: websocket.py serve PORT | call HOST PORT FAMILY

The server greets first, then sends each message back, and says a ping's bytes in its pong. The client prints what it heard as
JSON: `status`, `messages`, `closed` (the code of the server's close). A plain GET is answered 426.
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

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
TIMEOUT_S = 60
MESSAGES = ["short", "x" * 200, "y" * 100_000]


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


def read_frame(file):
    """(opcode, payload); raises EOFError at an end without a close."""
    head = file.read(2)
    if len(head) < 2:
        raise EOFError
    size, masked = head[1] & 0x7F, head[1] & 0x80
    if size == 126:
        size = struct.unpack("!H", file.read(2))[0]
    elif size == 127:
        size = struct.unpack("!Q", file.read(8))[0]
    mask = file.read(4) if masked else b""
    payload = file.read(size)
    return head[0] & 0x0F, bytes(b ^ mask[i % 4] for i, b in enumerate(payload)) if masked else payload


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        headers = {}
        self.rfile.readline()
        while line := self.rfile.readline().strip().decode():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        key = headers.get("sec-websocket-key")
        if headers.get("upgrade", "").lower() != "websocket" or not key:
            self.wfile.write(b"HTTP/1.1 426 Upgrade Required\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            return
        self.wfile.write(f"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
                         f"sec-websocket-accept: {accept_of(key)}\r\n\r\n".encode())
        self.wfile.write(frame(TEXT, b"welcome"))
        while True:
            opcode, payload = read_frame(self.rfile)
            self.wfile.write(frame(PONG if opcode == PING else opcode, payload))
            if opcode == CLOSE:
                return


class Server(socketserver.ThreadingTCPServer):
    address_family, daemon_threads, allow_reuse_address = socket.AF_INET6, True, True


def call(host, port, family):
    family = {"4": socket.AF_INET, "6": socket.AF_INET6}[family]
    address = socket.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)[0][4][:2]
    link, out = socket.create_connection(address, TIMEOUT_S), {"messages": []}
    key = base64.b64encode(os.urandom(16)).decode()
    link.sendall(f"GET /socket HTTP/1.1\r\nHost: servers\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
    file = link.makefile("rb")
    out["status"] = int(file.readline().split()[1])
    headers = http.client.parse_headers(file)
    out["accepted"] = headers["sec-websocket-accept"] == accept_of(key)
    out["messages"].append(read_frame(file)[1].decode())
    for text in MESSAGES:
        link.sendall(frame(TEXT, text.encode(), os.urandom(4)))
        out["messages"].append(read_frame(file)[1].decode())
    link.sendall(frame(PING, b"there?", os.urandom(4)))
    out["pong"] = [value if isinstance(value, int) else value.decode() for value in read_frame(file)]
    link.sendall(frame(CLOSE, struct.pack("!H", 1000), os.urandom(4)))
    opcode, payload = read_frame(file)
    out["closed"] = struct.unpack("!H", payload)[0] if opcode == CLOSE else None
    out["end"] = file.read().decode()
    print(json.dumps(out))


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        Server(("::", int(sys.argv[2])), Handler).serve_forever()
    else:
        call(*sys.argv[2:])
