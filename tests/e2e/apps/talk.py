#!/usr/bin/python3
"""Both ends of scripted TCP conversations, so that a test says in words who does what, in which order.

usage: talk.py serve PORT=STEPS...        one line of JSON when a connection is accepted, one at its end
       talk.py call HOST PORT STEPS [--dual]   one line of JSON at the end

STEPS, with commas between: send:TEXT  fill:BYTES (sends so many)  line (reads to a newline)  eof
(reads to the end)  fin (half close)  rst (SO_LINGER 0 and close)  sleep:SECONDS. The socket is closed
after the last one. A line ends with "heard": what each reading step got, and with "error" when one
failed: {"error": "ECONNRESET", "at": "eof"}.
"""
import errno
import json
import socket
import struct
import sys
import threading
import time


def plain(address):
    """[ip, port] with an IPv4-mapped address as IPv4."""
    ip = address[0]
    return [ip[7:] if ip.startswith("::ffff:") else ip, address[1]]


def read_line(sock):
    got = b""
    while not got.endswith(b"\n"):
        byte = sock.recv(1)
        if not byte:
            break
        got += byte
    return got


def read_all(sock):
    parts = []
    while part := sock.recv(65536):
        parts.append(part)
    return b"".join(parts)


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def take(sock, word, value):
    """What a reading step got, else None."""
    if word == "send":
        sock.sendall(value.replace("\\n", "\n").encode())
    elif word == "fill":
        sock.sendall(b"x" * int(value))
    elif word == "line":
        return read_line(sock)
    elif word == "eof":
        return read_all(sock)
    elif word == "fin":
        sock.shutdown(socket.SHUT_WR)
    elif word == "rst":
        reset(sock)
    elif word == "sleep":
        time.sleep(float(value))
    else:
        raise SystemExit(f"talk.py: no such step: {word}")
    return None


def converse(sock, steps):
    out = {"heard": []}
    for step in steps.split(","):
        word, _, value = step.partition(":")
        try:
            got = take(sock, word, value)
        except OSError as error:
            return out | {"error": errno.errorcode.get(error.errno, str(error)), "at": word}
        if got is not None:
            out["heard"].append(got.decode("utf-8", "replace") if len(got) < 1000 else len(got))
    return out


def serve_one(sock, address, port, steps):
    with sock:
        seen = {"port": port, "peer": plain(address)}
        try:
            seen |= {"getpeername": plain(sock.getpeername()), "getsockname": plain(sock.getsockname())}
        except OSError as error:
            seen["error"] = errno.errorcode.get(error.errno, str(error))
        print(json.dumps({"event": "accepted"} | seen), flush=True)
        sock.settimeout(30)
        said = converse(sock, steps)
    print(json.dumps({"event": "ended", "port": port, "peer": plain(address)} | said), flush=True)


def serve(port, steps):
    listener = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=1024)
    while True:
        sock, address = listener.accept()
        threading.Thread(target=serve_one, args=(sock, address, port, steps), daemon=True).start()


def call(host, port, steps, dual):
    began = time.monotonic()
    try:
        if dual:
            sock = socket.socket(socket.AF_INET6)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            sock.settimeout(30)
            sock.connect((host if ":" in host else "::ffff:" + host, port))
        else:
            sock = socket.create_connection((host, port), timeout=30)
    except OSError as error:
        return {"connected": False, "error": errno.errorcode.get(error.errno, str(error)),
                "seconds": time.monotonic() - began}
    with sock:
        own = {"connected": True, "getsockname": plain(sock.getsockname())}
        try:
            own["getpeername"] = sock.getpeername()[:2]
        except OSError as error:  # reset already
            own["getpeername"] = errno.errorcode.get(error.errno, str(error))
        own |= converse(sock, steps)
    return own | {"seconds": time.monotonic() - began}


def main():
    if sys.argv[1] == "serve":
        for word in sys.argv[2:]:
            port, _, steps = word.partition("=")
            threading.Thread(target=serve, args=(int(port), steps), daemon=True).start()
        threading.Event().wait()
    print(json.dumps(call(sys.argv[2], int(sys.argv[3]), sys.argv[4], "--dual" in sys.argv)))


if __name__ == "__main__":
    main()
