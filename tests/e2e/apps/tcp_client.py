#!/usr/bin/python3
"""A TCP client for the labs: connects, sends, reads to the end, and prints one JSON line.

usage: tcp_client.py HOST PORT [--send TEXT] [--family 4|6] [--dual] [--bind IP[@PORT]]
                     [--timeout S] [--count N] [--no-read] [--no-close]

{"connected": true, "getpeername": [ip, port], "getsockname": [...], "received": "..."} or
{"connected": false, "errno": "ECONNREFUSED", "seconds": 0.1}. --dual uses an IPv6 socket with mapped addresses, as
Go and Java programs do. With --count there is a line a connection. Exit status 0 when all connected.
"""
import argparse
import errno
import json
import socket
import sys
import time


def target(options):
    family = {"4": socket.AF_INET, "6": socket.AF_INET6}.get(options.family, 0)
    found = socket.getaddrinfo(options.host, options.port, family, socket.SOCK_STREAM)
    family, _, _, _, address = found[0]
    if options.dual and family == socket.AF_INET:
        return socket.AF_INET6, ("::ffff:" + address[0], address[1])
    return family, address


def connect(options):
    family, address = target(options)
    sock = socket.socket(family, socket.SOCK_STREAM)
    if options.dual:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.settimeout(options.timeout)
    if options.bind:
        ip, _, port = options.bind.partition("@")
        sock.bind((ip, int(port or 0)))
    sock.connect(address)
    return sock


def once(options):
    began = time.monotonic()
    try:
        sock = connect(options)
    except OSError as error:
        return {"connected": False, "errno": errno.errorcode.get(error.errno, str(error)),
                "seconds": time.monotonic() - began}, None
    out = {"connected": True, "getpeername": sock.getpeername()[:2],
           "getsockname": sock.getsockname()[:2]}
    try:
        if options.send is not None:
            sock.sendall(options.send.encode())
            sock.shutdown(socket.SHUT_WR)
        received = b""
        while options.read:
            part = sock.recv(65536)
            if not part:
                break
            received += part
        out["received"] = received.decode("utf-8", "replace")
    except OSError as error:
        out["errno"] = errno.errorcode.get(error.errno, str(error))
    return out, sock


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--send")
    parser.add_argument("--family", choices=["4", "6"])
    parser.add_argument("--dual", action="store_true")
    parser.add_argument("--bind", help="IP or IP@PORT")
    parser.add_argument("--timeout", type=float, default=5)
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--no-read", dest="read", action="store_false")
    parser.add_argument("--no-close", action="store_true", help="keep all connections to the end")
    options = parser.parse_args()
    kept, good = [], True
    for _ in range(options.count):
        out, sock = once(options)
        print(json.dumps(out), flush=True)
        good = good and out["connected"]
        if sock and options.no_close:
            kept.append(sock)
        elif sock:
            sock.close()
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
