#!/usr/bin/python3
"""One long gRPC stream, message by message: stream_client.py HOST PORT FAMILY      (python3-grpcio)

Each message waits for its echo. Says "streaming" after the first, ends the stream at a line on standard input, and prints JSON:
`messages` that came back as they were sent, `wrong` ones, `code` of the stream's end, `longest`: the seconds of the slowest.
"""
import json
import os
import queue
import select
import socket
import sys
import time

import grpc

OPTIONS = [("grpc.enable_http_proxy", 0), ("grpc.default_authority", "calls")]
BETWEEN_S = 0.02
MOST_BYTES = 30_000


def messages(sent, answered):
    """What is sent, until a line comes; each after the answer to the one before."""
    number = 0
    while number == 0 or not select.select([sys.stdin], [], [], BETWEEN_S)[0]:
        sent.append((time.monotonic(), f"{number} ".encode() + os.urandom(number * 997 % MOST_BYTES)))
        yield sent[-1][1]
        if answered.get() is None:
            return
        number += 1


def main():
    host, port, family = sys.argv[1:]
    family = {"4": socket.AF_INET, "6": socket.AF_INET6}[family]
    address = socket.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)[0][4]
    target = f"ipv4:{address[0]}:{port}" if family == socket.AF_INET else f"ipv6:[{address[0]}]:{port}"
    sent, answered = [], queue.Queue()
    out = {"messages": 0, "wrong": 0, "longest": 0}
    with grpc.insecure_channel(target, options=OPTIONS) as channel:
        stream = channel.stream_stream("/test.Calls/Echo")(messages(sent, answered))
        try:
            for message in stream:
                began, text = sent.pop(0)
                out["messages" if message == text else "wrong"] += 1
                out["longest"] = max(out["longest"], time.monotonic() - began)
                if out["messages"] == 1:
                    print("streaming", flush=True)
                answered.put(True)
        except grpc.RpcError:
            pass
        answered.put(None)
        print(json.dumps({**out, "code": stream.code().value[0], "details": stream.details()}), flush=True)


if __name__ == "__main__":
    main()
