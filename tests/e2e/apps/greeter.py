#!/usr/bin/python3
"""A server that speaks first, as SMTP and MySQL do: a greeting, then every line echoed upper case.

usage: greeter.py [PORT]. Standard output has a JSON line a connection, as http_echo.py's.
"""
import json
import socket
import socketserver
import sys


def plain(address):
    ip = address[0]
    return [ip[7:] if ip.startswith("::ffff:") else ip, address[1]]


class Server(socketserver.ThreadingTCPServer):
    address_family = socket.AF_INET6
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 1024

    def server_bind(self):
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


class Greeter(socketserver.StreamRequestHandler):
    def handle(self):
        print(json.dumps({"event": "accepted", "peer": plain(self.client_address),
                          "getpeername": plain(self.request.getpeername()),
                          "getsockname": plain(self.request.getsockname())}), flush=True)
        self.wfile.write(b"220 hello from %s\r\n" % socket.gethostname().encode())
        for line in self.rfile:
            self.wfile.write(line.upper())


if __name__ == "__main__":
    Server(("::", int(sys.argv[1]) if len(sys.argv) > 1 else 2525), Greeter).serve_forever()
