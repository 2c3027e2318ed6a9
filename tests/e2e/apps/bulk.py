#!/usr/bin/python3
"""Large transfers: both sides send at once and tell what they received.

usage: bulk.py serve PORT          answers each connection according to its first line, as JSON:
                                    {"send": BYTES, "read": true}: sends so many pseudo-random bytes
                                    while it reads to the end; {"echo": true}: sends back what
                                    comes; {"ignore": true}: never reads again
       bulk.py call HOST PORT SEND RECEIVE    prints {"sent": SHA, "received": SHA, "bytes": N, ...}
       bulk.py stall down|up HOST PORT COUNT  COUNT connections over which one side sends without end
                                    and the other does not read; prints a line when nothing moves any
                                    more, and holds them until its standard input ends
       bulk.py echo HOST PORT COUNT           COUNT connections at once, each echoes a line and stays;
                                    prints how long all of them took, and waits like stall

The server logs the same at the end of a connection; its digests have to be the caller's.
"""
import hashlib
import json
import os
import select
import socket
import sys
import threading
import time

BLOCK = 256 << 10
ENDLESS = 1 << 40
HOLD_S = 60        # what nobody reads is held so long at most
QUIET_S = 0.3      # nothing moved for so long: it has stalled


class Sender(threading.Thread):
    """Sends `size` fresh random bytes and our FIN; `digest` is theirs."""

    def __init__(self, sock, size):
        super().__init__(daemon=True)
        self.sock, self.size, self.hash, self.error = sock, size, hashlib.sha1(), None
        self.start()

    def run(self):
        block = os.urandom(BLOCK)
        left = self.size
        try:
            while left > 0:
                # Every block differs: its head counts.
                part = memoryview(left.to_bytes(8, "big") + block[8:])[:left]
                self.hash.update(part)
                self.sock.sendall(part)
                left -= len(part)
            self.sock.shutdown(socket.SHUT_WR)
        except OSError as error:
            self.error = str(error)


def receive(sock):
    digest, total = hashlib.sha1(), 0
    buffer = bytearray(BLOCK)
    while size := sock.recv_into(buffer):
        digest.update(memoryview(buffer)[:size])
        total += size
    return digest.hexdigest(), total


def first_line(sock):
    line = b""
    while not line.endswith(b"\n"):
        part = sock.recv(1)
        if not part:
            return "{}"
        line += part
    return line


def serve_one(sock, address):
    with sock:
        wish = json.loads(first_line(sock))
        if wish.get("echo"):
            while part := sock.recv(65536):
                sock.sendall(part)
            return
        if wish.get("ignore"):
            select.select([], [], [sock], HOLD_S)
            return
        sender = Sender(sock, wish.get("send", 0))
        received, total = receive(sock)
        sender.join()
        print(json.dumps({"event": "flooded", "peer": [address[0].removeprefix("::ffff:"), address[1]],
                          "sent": sender.hash.hexdigest(), "received": received, "bytes": total,
                          "error": sender.error}), flush=True)


def guarded(sock, address):
    try:
        serve_one(sock, address)
    except OSError as error:
        print(json.dumps({"event": "failed", "error": str(error)}), flush=True)


def serve(port):
    listener = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=1024)
    while True:
        threading.Thread(target=guarded, args=listener.accept(), daemon=True).start()


def call(host, port, send, receive_bytes):
    began = time.monotonic()
    with socket.create_connection((host, port)) as sock:
        own = sock.getsockname()[:2]
        sock.sendall(json.dumps({"send": receive_bytes}).encode() + b"\n")
        sender = Sender(sock, send)
        received, total = receive(sock)
        sender.join()
    return {"sent": sender.hash.hexdigest(), "received": received, "bytes": total, "error": sender.error,
            "getsockname": own, "seconds": time.monotonic() - began}


def connect(host, port, wish):
    sock = socket.create_connection((host, port), timeout=HOLD_S)
    sock.sendall(json.dumps(wish).encode() + b"\n")
    return sock


def hold():
    sys.stdin.read()


def stall(direction, host, port, count):
    wish = {"ignore": True} if direction == "up" else {"send": ENDLESS}
    socks = [connect(host, port, wish) for _ in range(count)]
    sent = 0
    if direction == "up":
        for sock in socks:
            sock.setblocking(False)
        block = b"x" * BLOCK
        while ready := select.select([], socks, [], QUIET_S)[1]:
            for sock in ready:
                sent += sock.send(block)
    else:
        time.sleep(5 * QUIET_S)
    print(json.dumps({"stalled": len(socks), "sent": sent}), flush=True)
    hold()


def echo(host, port, count):
    began = time.monotonic()
    socks = [connect(host, port, {"echo": True}) for _ in range(count)]
    for i, sock in enumerate(socks):
        sock.sendall(b"%d\n" % i)
    answers = [int(first_line(sock)) for sock in socks]
    seconds = time.monotonic() - began
    print(json.dumps({"right": answers == list(range(count)), "seconds": seconds}), flush=True)
    hold()


def main():
    word, *rest = sys.argv[1:]
    if word == "serve":
        serve(int(rest[0]))
    elif word == "stall":
        stall(rest[0], rest[1], int(rest[2]), int(rest[3]))
    elif word == "echo":
        echo(rest[0], int(rest[1]), int(rest[2]))
    else:
        print(json.dumps(call(rest[0], int(rest[1]), int(rest[2]), int(rest[3]))))


if __name__ == "__main__":
    main()
