#!/usr/bin/python3
"""Says bytes on connections of their own, one after the other, and tells what came back.

usage: say_bytes.py HOST PORT [--http2]     standard input: a JSON list of texts, the bytes as Latin-1

Prints a JSON list: {"heard": the bytes as Latin-1, "closed": whether the server ended it, "local": [ip, port]}.
A connection is over when the server ends it or says nothing for TIMEOUT_S; with --http2 also when it has ended or
reset stream 1, or said GOAWAY.
"""
import json
import socket
import sys

TIMEOUT_S = 10
DATA, HEADERS, RST_STREAM, GOAWAY, END_STREAM = 0, 1, 3, 7, 1


def frames(heard):
    """(type, flags, stream, payload) of each whole frame."""
    while len(heard) >= 9:
        size = int.from_bytes(heard[:3], "big")
        if len(heard) < 9 + size:
            return
        yield heard[3], heard[4], int.from_bytes(heard[5:9], "big"), heard[9:9 + size]
        heard = heard[9 + size:]


def over(heard):
    for kind, flags, stream, _ in frames(heard):
        ended = kind in (DATA, HEADERS) and flags & END_STREAM or kind == RST_STREAM
        if kind == GOAWAY or stream == 1 and ended:
            return True
    return False


def connect(where, used):
    """From a port that had no turn yet: logs tell connections apart by it."""
    while True:
        link = socket.create_connection(where, timeout=TIMEOUT_S)
        port = link.getsockname()[1]
        if port not in used:
            used.add(port)
            return link
        link.close()


def talk(where, said, http2, used):
    with connect(where, used) as link:
        local, heard, closed = link.getsockname()[:2], b"", False
        try:
            link.sendall(said)
            while not (http2 and over(heard)):
                part = link.recv(65536)
                closed = not part
                if closed:
                    break
                heard += part
        except TimeoutError:
            pass
        except ConnectionError:
            closed = True
    return {"heard": heard.decode("latin-1"), "closed": closed, "local": local}


def main():
    where, http2, used = (sys.argv[1], int(sys.argv[2])), "--http2" in sys.argv, set()
    print(json.dumps([talk(where, said.encode("latin-1"), http2, used) for said in json.load(sys.stdin)]))


if __name__ == "__main__":
    main()
