#!/usr/bin/python3
"""A request whose body ends in trailers, and the trailers of its answer: trailers.py HOST PORT FAMILY VERSION PATH  (python3-h2)

VERSION is 1 or 2 of HTTP; the body goes in two chunks or frames. Prints JSON: status, body, trailers as pairs.
"""
import json
import socket
import sys

import h2.config
import h2.connection
import h2.events

TIMEOUT_S = 60
BODY = [b"one ", b"two"]
TRAILERS = [("x-sum", "of all"), ("x-more", "yes")]


def in_http1(link, host, path):
    link.sendall(f"POST {path} HTTP/1.1\r\nhost: {host}\r\nte: trailers\r\ntransfer-encoding: chunked\r\n\r\n".encode())
    for part in BODY:
        link.sendall(b"%x\r\n%s\r\n" % (len(part), part))
    link.sendall(("0\r\n" + "".join(f"{name}: {value}\r\n" for name, value in TRAILERS) + "\r\n").encode())
    file = link.makefile("rb")
    status = int(file.readline().split()[1])
    head = dict(fields(file))
    if "content-length" in head:
        return status, file.read(int(head["content-length"])), []
    body = b""
    while size := int(file.readline().split(b";")[0], 16):
        body += file.read(size)
        file.readline()
    return status, body, fields(file)


def fields(file):
    """Up to the empty line."""
    lines = iter(lambda: file.readline().decode().strip(), "")
    return [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]


def in_http2(link, host, path):
    connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
    connection.initiate_connection()
    connection.send_headers(1, [(":method", "POST"), (":scheme", "http"), (":authority", host), (":path", path), ("te", "trailers")])
    for part in BODY:
        connection.send_data(1, part)
    connection.send_headers(1, TRAILERS, end_stream=True)
    link.sendall(connection.data_to_send())
    status, body, trailers, ended = 0, b"", [], False
    while not ended:
        for event in connection.receive_data(link.recv(65536)):
            if isinstance(event, h2.events.ResponseReceived):
                status = int(dict(event.headers)[":status"])
            elif isinstance(event, h2.events.DataReceived):
                body += event.data
            elif isinstance(event, h2.events.TrailersReceived):
                trailers = event.headers
            elif isinstance(event, (h2.events.StreamEnded, h2.events.StreamReset, h2.events.ConnectionTerminated)):
                ended = True
        link.sendall(connection.data_to_send())
    return status, body, trailers


def main():
    host, port, family, version, path = sys.argv[1:]
    family = {"4": socket.AF_INET, "6": socket.AF_INET6}[family]
    address = socket.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)[0][4]
    with socket.create_connection(address[:2], TIMEOUT_S) as link:
        status, body, trailers = {"1": in_http1, "2": in_http2}[version](link, host, path)
    print(json.dumps({"status": status, "body": body.decode(), "trailers": [list(pair) for pair in trailers]}))


if __name__ == "__main__":
    main()
