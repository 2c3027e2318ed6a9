#!/usr/bin/python3
"""Asks over and over: ask.py HOST PORT [--count N] [--connections N] [--path P] [--header 'k: v']... [--post BYTES]

Prints a JSON list, one entry a request: status, pod and version as versions.py says them, seconds, headers, sha256 of
what was posted. Each connection is kept and asked one request at a time.
"""
import argparse
import hashlib
import http.client
import json
import os
import threading
import time


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--connections", type=int, default=1)
    parser.add_argument("--path", default="/")
    parser.add_argument("--authority", default="reviews")
    parser.add_argument("--header", action="append", default=[])
    parser.add_argument("--post", type=int)
    return parser.parse_args()


def ask(connection, args):
    headers = {"host": args.authority, **dict(h.split(": ", 1) for h in args.header)}
    body = os.urandom(args.post) if args.post is not None else None
    began = time.monotonic()
    try:
        connection.request("POST" if body is not None else "GET", args.path, body=body, headers=headers)
        answer = connection.getresponse()
        text = answer.read()
    except OSError as error:
        connection.close()
        return {"status": 0, "error": str(error), "seconds": time.monotonic() - began}
    except http.client.HTTPException as error:
        connection.close()
        return {"status": 0, "error": repr(error), "seconds": time.monotonic() - began}
    try:
        said = json.loads(text)
    except ValueError:
        said = {"body": text.decode(errors="replace")}
    return {**said, "status": answer.status, "seconds": time.monotonic() - began, "answered": dict(answer.getheaders()),
            "sha256": hashlib.sha256(body or b"").hexdigest()}


def main():
    args = arguments()
    results, lock = [], threading.Lock()

    def work(count):
        connection = http.client.HTTPConnection(args.host, args.port, timeout=60)
        for _ in range(count):
            result = ask(connection, args)
            with lock:
                results.append(result)

    shares = [args.count // args.connections + (i < args.count % args.connections) for i in range(args.connections)]
    threads = [threading.Thread(target=work, args=(share,)) for share in shares]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps(results))


main()
