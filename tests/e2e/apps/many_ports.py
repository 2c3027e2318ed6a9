#!/usr/bin/python3
"""Serves several ports, dual stack: every line that comes in is logged, and answered with itself.

usage: many_ports.py PORT... Standard output has a JSON line for each line received: {"event":
"line", "text": ..., "peer": [ip, port], "port": ...}, written before the answer leaves; and one for
each connection's end: {"event": "end", "how": "closed" | "reset", "peer": ..., "port": ...}.
"""
import json
import socket
import socketserver
import sys
import threading


class Server(socketserver.ThreadingTCPServer):
    address_family = socket.AF_INET6
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 1024

    def server_bind(self):
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


class Lines(socketserver.StreamRequestHandler):
    def handle(self):
        try:
            for line in self.rfile:
                self.tell(event="line", text=line.decode("utf-8", "replace").strip())
                self.wfile.write(line)
            how = "closed"
        except (ConnectionResetError, BrokenPipeError):
            how = "reset"
        self.tell(event="end", how=how)

    def tell(self, **what):
        ip, port = self.client_address[:2]
        peer = [ip[7:] if ip.startswith("::ffff:") else ip, port]
        sys.stdout.write(json.dumps({**what, "peer": peer, "port": self.server.server_address[1]}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    servers = [Server(("::", int(port)), Lines) for port in sys.argv[1:]]
    threads = [threading.Thread(target=server.serve_forever) for server in servers]
    for thread in threads:
        thread.start()
