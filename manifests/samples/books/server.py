#!/usr/bin/python3
"""The three services of the sample application, in one small server.

usage: server.py front [--port N]                   a page: asks details and reviews, and says who answered
       server.py details [--port N]
       server.py reviews --version v1 [--port N]
       server.py behave [--fail SHARE] [--wait SECONDS] [--port N]    asks the server of this pod to fail or to be slow

GET /books/NUMBER is what there is to ask. Every answer is JSON. Only Python's own library.
"""
import argparse
import http.client
import http.server
import json
import random
import socket
import threading
import time

# What a service hands on, so that rules about users hold for the services behind it too.
HANDED_ON = ("end-user", "cookie", "x-request-id", "traceparent", "tracestate", "user-agent")
ASKS_S = 15
STARS = {"v1": None, "v2": "black", "v3": "red"}  # who rates, and how it is drawn


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    address_family = socket.AF_INET6
    request_queue_size = 256

    def __init__(self, service, version, port):
        self.service, self.version = service, version
        self.fail, self.wait = 0.0, 0.0
        self.asked = 0
        self.lock = threading.Lock()
        super().__init__(("::", port), Handler)

    def server_bind(self):
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/ready":
            return self.answer(200, {})
        with self.server.lock:
            self.server.asked += 1
        if self.path == "/asked":
            return self.answer(200, {"asked": self.server.asked - 1})
        time.sleep(self.server.wait)
        if random.random() < self.server.fail:
            return self.answer(500, {"service": self.server.service, "version": self.server.version, "error": "told to fail"})
        return self.answer(200, getattr(self, self.server.service)())

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.path == "/behave" and self.client_address[0] in ("::1", "::ffff:127.0.0.1"):
            wish = json.loads(body)
            self.server.fail, self.server.wait = wish["fail"], wish["wait"]
            return self.answer(200, wish)
        return self.do_GET()

    def front(self):
        number = self.path.rpartition("/")[2]
        return {"service": "front", "details": self.ask("details", number), "reviews": self.ask("reviews", number)}

    def details(self):
        return {"service": "details", "title": "The Comedy of Errors", "pages": 120}

    def reviews(self):
        answer = {"service": "reviews", "version": self.server.version, "text": "An amusing read."}
        return {**answer, "stars": 4, "colour": STARS[self.server.version]} if STARS[self.server.version] else answer

    def ask(self, service, number):
        """What another service says; its status where it does not answer."""
        headers = {name: self.headers[name] for name in HANDED_ON if name in self.headers}
        connection = http.client.HTTPConnection(service, 8080, timeout=ASKS_S)
        try:
            connection.request("GET", f"/books/{number}", headers=headers)
            response = connection.getresponse()
            text = response.read()
            return json.loads(text) if response.status == 200 else {"status": response.status}
        except (OSError, ValueError, http.client.HTTPException) as error:
            return {"error": type(error).__name__}
        finally:
            connection.close()

    def answer(self, status, value):
        text = (json.dumps(value) + "\n").encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, form, *args):
        print(json.dumps({"peer": self.client_address[0], "line": form % args, "host": self.headers.get("host", "")
                          if hasattr(self, "headers") else ""}), flush=True)


def behave(options):
    connection = http.client.HTTPConnection("127.0.0.1", options.port, timeout=ASKS_S)
    connection.request("POST", "/behave", json.dumps({"fail": options.fail, "wait": options.wait}))
    print(connection.getresponse().read().decode().strip())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["front", "details", "reviews", "behave"])
    parser.add_argument("--version", default="v1", choices=sorted(STARS))
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--fail", type=float, default=0.0, help="the share of requests that fail, 0 to 1")
    parser.add_argument("--wait", type=float, default=0.0, help="seconds before each answer")
    options = parser.parse_args()
    if options.what == "behave":
        return behave(options)
    Server(options.what, options.version, options.port).serve_forever()


if __name__ == "__main__":
    main()
