#!/usr/bin/python3
"""The other side of many_ports.py, kept running in a pod so that a connection costs no process.

Standard input has a JSON line for each round: a list of {"host", "port", "text", "timeout",
"keep": name, "on": name}. All of a round are made at once; standard output has their results in order:
{"outcome": "answered" | "reset" | "refused" | "closed" | "timeout" | ERRNO, "local": [ip, port],
"seconds": ...}. "keep" leaves the connection open under a name, "on" sends on it, and with "close"
closes it afterwards.
"""
import concurrent.futures
import errno
import json
import select
import socket
import sys
import time

THREADS = 16
NAMES = {errno.ECONNRESET: "reset", errno.EPIPE: "reset", errno.ECONNREFUSED: "refused"}
kept = {}


def exchange(sock, text):
    sock.sendall(text.encode() + b"\n")
    got = b""
    while not got.endswith(b"\n"):
        part = sock.recv(65536)
        if not part:
            return "closed"
        got += part
    return "answered" if got.decode().strip() == text else "wrong answer"


def connect(sock, address, timeout, out):
    """Its own address is noted before the outcome, which may be a reset."""
    sock.setblocking(False)
    pending = sock.connect_ex(address)
    out["local"] = sock.getsockname()[:2]
    if pending == errno.EINPROGRESS:
        if not select.select([], [sock], [], timeout)[1]:
            raise TimeoutError
        pending = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if pending:
        raise OSError(pending, "connect")
    sock.settimeout(timeout)


def run(flow):
    begin, out = time.monotonic(), {}
    sock = kept.get(flow.get("on"))
    try:
        if sock is None:
            family = socket.AF_INET6 if ":" in flow["host"] else socket.AF_INET
            sock = socket.socket(family, socket.SOCK_STREAM)
            connect(sock, (flow["host"], flow["port"]), flow.get("timeout", 20), out)
        out["outcome"] = exchange(sock, flow["text"])
    except TimeoutError:
        out["outcome"] = "timeout"
    except OSError as error:
        out["outcome"] = NAMES.get(error.errno, errno.errorcode.get(error.errno, str(error)))
    out["seconds"] = time.monotonic() - begin
    if "keep" in flow:
        kept[flow["keep"]] = sock
    elif "on" not in flow or flow.get("close"):
        sock.close()
    return out


if __name__ == "__main__":
    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        for line in sys.stdin:
            print(json.dumps(list(pool.map(run, json.loads(line)))), flush=True)
