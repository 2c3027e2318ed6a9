#!/usr/bin/python3
"""Sends requests and tells what came back: a JSON list on standard input, another on standard output.

A request: `to` (a Unix socket's path, or [host, port] with `family` 4 or 6), method, path, authority, headers as pairs, body or bodyBytes. What came of it: status,
headers as pairs, body, seconds; or error. Only Python's own library, so that it runs in any pod.
"""
import concurrent.futures
import http.client
import json
import socket
import sys
import time

TIMEOUT_S = 60
AT_ONCE = 16


class ToPlace(http.client.HTTPConnection):
    def __init__(self, place, family):
        super().__init__("localhost", timeout=TIMEOUT_S)
        self.place, self.family = place, {4: socket.AF_INET, 6: socket.AF_INET6}.get(family, socket.AF_UNSPEC)

    def connect(self):
        if isinstance(self.place, str):
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(TIMEOUT_S)
            self.sock.connect(self.place)
        else:
            found = socket.getaddrinfo(*self.place, family=self.family, type=socket.SOCK_STREAM)
            self.sock = socket.create_connection(found[0][4][:2], TIMEOUT_S)


def ask(one):
    started = time.monotonic()
    connection = ToPlace(one["to"], one.get("family"))
    try:
        connection.putrequest(one["method"], one["path"], skip_host=True, skip_accept_encoding=True)
        connection.putheader("host", one["authority"])
        for name, value in one["headers"]:
            connection.putheader(name, value)
        body = one.get("body", "").encode() or b"x" * one.get("bodyBytes", 0)
        if body or one["method"] in ("POST", "PUT", "PATCH"):
            connection.putheader("content-length", str(len(body)))
        connection.endheaders(body or None)
        response = connection.getresponse()
        text = response.read().decode(errors="replace")
        return {"status": response.status, "headers": [[n.lower(), v] for n, v in response.getheaders()], "body": text,
                "seconds": time.monotonic() - started}
    except (OSError, http.client.HTTPException) as error:
        return {"error": f"{type(error).__name__}: {error}", "seconds": time.monotonic() - started}
    finally:
        connection.close()


def ask_all(requests, at_once=AT_ONCE):
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(ask, requests))


if __name__ == "__main__":
    at_once = int(sys.argv[2]) if sys.argv[1:2] == ["--at-once"] else AT_ONCE
    json.dump(ask_all(json.load(sys.stdin), at_once), sys.stdout)
