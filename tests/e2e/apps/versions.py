#!/usr/bin/python3
"""One version of a service: answers who it is and what it was sent, and says each request on standard output.

Environment: NAME (of the pod), VERSION, PORT (8080), FAIL (a status that it always answers), STALL (set: takes
requests and never answers). A line a request: {"path", "host", "sha256", "headers", "peer"}.
"""
import hashlib
import http.server
import json
import os
import socket
import time


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    address_family = socket.AF_INET6
    request_queue_size = 1024

    def server_bind(self):
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        print(json.dumps({"path": self.path, "host": headers.get("host"), "headers": headers,
                          "sha256": hashlib.sha256(body).hexdigest(),
                          "peer": self.client_address[0].removeprefix("::ffff:")}), flush=True)
        if os.environ.get("STALL"):
            time.sleep(3600)
        answer = json.dumps({"pod": os.environ["NAME"], "version": os.environ["VERSION"],
                             "headers": headers, "path": self.path,
                             "peer": self.client_address[0].removeprefix("::ffff:")}).encode()
        self.send_response(int(os.environ.get("FAIL") or 200))
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_POST = do_GET

    def log_message(self, *_):
        pass


Server(("::", int(os.environ.get("PORT") or 8080)), Handler).serve_forever()
