#!/usr/bin/python3
"""A dual-stack HTTP server for the labs: answers every request with what it saw, as JSON.

Standard output has a line a connection, as JSON: {"event": "accepted", "peer": [ip, port],
"getpeername": [...], "getsockname": [...]}. Environment: PORT (8080), NAME (the host name).
Paths: / echoes; /bytes/N answers N bytes; /sleep/SECONDS answers late; /status/N answers with N;
/cut begins an answer in chunks and closes before its end.
"""
import http.server
import json
import os
import socket
import socketserver
import sys
import time


def plain(address):
    """[ip, port] with an IPv4-mapped address as IPv4."""
    ip = address[0]
    return [ip[7:] if ip.startswith("::ffff:") else ip, address[1]]


def say(**fields):
    print(json.dumps(fields), flush=True)


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    address_family = socket.AF_INET6
    daemon_threads = True
    request_queue_size = 1024

    def server_bind(self):
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = socket.gethostname(), self.server_address[1]

    def process_request(self, request, client_address):
        try:
            say(event="accepted", peer=plain(client_address), getpeername=plain(request.getpeername()),
                getsockname=plain(request.getsockname()))
        except OSError as error:  # the client has gone already
            say(event="accepted", peer=plain(client_address), error=str(error))
        super().process_request(request, client_address)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body leave together: no delayed acknowledgment between them
    disable_nagle_algorithm = True

    def answer(self, status, body, kind="application/json"):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self):
        got = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        word, _, value = self.path.lstrip("/").partition("/")
        if word == "bytes":
            return self.answer(200, b"x" * int(value), "application/octet-stream")
        if word == "sleep":
            time.sleep(float(value))
        if word == "cut":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"5\r\nbegin\r\n")
            self.close_connection = True
            return None
        seen = {
            "server": os.environ.get("NAME") or socket.gethostname(),
            "method": self.command,
            "path": self.path,
            "headers": dict(self.headers),
            "body": got.decode("utf-8", "replace"),
            "peer": plain(self.client_address),
            "getpeername": plain(self.connection.getpeername()),
            "getsockname": plain(self.connection.getsockname()),
        }
        return self.answer(int(value) if word == "status" else 200, json.dumps(seen).encode() + b"\n")

    do_POST = do_PUT = do_DELETE = do_HEAD = do_GET

    def log_message(self, form, *args):
        say(event="request", peer=plain(self.client_address), line=form % args)


if __name__ == "__main__":
    port = int(sys.argv[1] if len(sys.argv) > 1 else os.environ.get("PORT", "8080"))
    Server(("::", port), Handler).serve_forever()
