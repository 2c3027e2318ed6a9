#!/usr/bin/python3
"""An HTTP/1.1 origin that reads as little as it can and tells all that it was sent, for tests of what gets through.

usage: raw_origin.py PORT

Standard output has a line for whatever comes, as JSON: {"connection": N, "came": the bytes as Latin-1}. Each head
(up to an empty line) is answered with 200 "ok", GET /bulk/N with N bytes, in parts, /held never; bodies are not
looked at.
"""
import json
import re
import socket
import sys
import threading

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
BULK = re.compile(rb"^GET /bulk/(\d+) ")
PART = b"x" * 65536


def answer(connection, head):
    bulk = BULK.match(head)
    if b" /held " in head.split(b"\r\n", 1)[0]:
        return None
    if not bulk:
        return connection.sendall(ANSWER)
    left = int(bulk[1])
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % left)
    while left > 0:
        connection.sendall(PART[:left])
        left -= len(PART)
    return None


def serve(connection, number):
    rest = b""
    with connection:
        try:
            while part := connection.recv(65536):
                print(json.dumps({"connection": number, "came": part.decode("latin-1")}), flush=True)
                *heads, rest = (rest + part).split(b"\r\n\r\n")
                for head in heads:
                    answer(connection, head)
        except OSError:  # the other side is gone
            pass


def main():
    listener = socket.create_server(("::", int(sys.argv[1])), family=socket.AF_INET6, dualstack_ipv6=True, backlog=1024)
    number = 0
    while True:
        connection, _ = listener.accept()
        number += 1
        threading.Thread(target=serve, args=(connection, number), daemon=True).start()


if __name__ == "__main__":
    main()
