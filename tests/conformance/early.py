#!/usr/bin/python3
"""A server of HTTP/1.1 that answers a request before it has come whole, and then reads on: early.py PORT

413 where a body was announced, else 200. `/break/N` resets the connection behind N bytes of a body, without an answer. `/_seen` is answered
with what came of each request that has a body, in the order in which they ended: its path, how many bytes were announced, how many came.
"""
import json
import socket
import struct
import sys
import threading

STATUS = {True: "413 Content Too Large", False: "200 OK"}
seen = []


def take_body(file, length):
    """How many bytes came of it, before its end or the connection's."""
    came = 0
    try:
        while came < length and (part := file.read1(length - came)):
            came += len(part)
    except ConnectionError:
        pass
    return came


def take(file, link):
    """One request; False when no other can follow on this connection."""
    path = file.readline().split(b" ")[1].decode()
    length = 0
    while line := file.readline().strip():
        name, _, value = line.lower().partition(b":")
        if name == b"content-length":
            length = int(value)
    if path.startswith("/break/"):
        length = int(path.rpartition("/")[2])
    else:
        answer = json.dumps(seen).encode() if path == "/_seen" else b"early"
        link.sendall(f"HTTP/1.1 {STATUS[length > 0]}\r\ncontent-length: {len(answer)}\r\n\r\n".encode() + answer)
    came = take_body(file, length)
    if length:
        seen.append({"path": path, "announced": length, "came": came})
    if path.startswith("/break/"):
        link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False
    return came == length


def serve(link):
    with link, link.makefile("rb") as file:
        try:
            while file.peek(1) and take(file, link):
                pass
        except ConnectionError:
            pass


def main():
    listener = socket.create_server(("::", int(sys.argv[1])), family=socket.AF_INET6, dualstack_ipv6=True, backlog=256)
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()


if __name__ == "__main__":
    main()
