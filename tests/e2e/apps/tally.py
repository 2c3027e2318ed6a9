#!/usr/bin/python3
"""A client that counts: what telemetry says of its connections is held against it.

usage: tally.py HOST PORT CONNECTIONS BYTES

One connection after the other: sends BYTES and FIN, reads to the end. Prints one JSON line:
{"answered": N, "refused": N, "sent": BYTES, "received": BYTES}; refused are those that were reset or
ended without a byte, sent and received are of the answered. Works with talk.py serve PORT=eof,send:TEXT.
"""
import errno
import json
import socket
import sys


def once(host, port, size):
    """(bytes sent, bytes received), or None when it was refused."""
    try:
        with socket.create_connection((host, port), timeout=30) as sock:
            sock.sendall(b"x" * size)
            sock.shutdown(socket.SHUT_WR)
            received = 0
            while part := sock.recv(65536):
                received += len(part)
    except OSError as error:
        if isinstance(error, ConnectionError) or error.errno == errno.ENOTCONN:  # reset before or after we sent
            return None
        raise
    return (size, received) if received else None


def main():
    host, port, connections, size = sys.argv[1], *map(int, sys.argv[2:5])
    results = [once(host, port, size) for _ in range(connections)]
    answered = [one for one in results if one]
    print(json.dumps({"answered": len(answered), "refused": len(results) - len(answered),
                      "sent": sum(one[0] for one in answered), "received": sum(one[1] for one in answered)}))


if __name__ == "__main__":
    main()
