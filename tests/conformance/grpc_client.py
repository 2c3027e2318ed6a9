#!/usr/bin/python3
"""Makes gRPC calls and tells what came of them: a JSON list on standard input, another on standard output. (python3-grpcio)

A call: `to` [host, port], `family` 4 or 6, `method`, `requests` (texts), `metadata` as pairs, `timeout` in seconds, `count` how
often, `lockstep` (each message waits for the answer to the one before), `hold` (the client ends its side only once the call is over), `cancel` (after so many seconds). What came of it: `code`,
`details`, `messages`, `first` and `last` (metadata before and behind the messages), `seconds`.
"""
import concurrent.futures
import json
import queue
import socket
import sys
import threading
import time

import grpc

OPTIONS = [("grpc.enable_http_proxy", 0), ("grpc.default_authority", "calls"), ("grpc.enable_retries", 0)]
AT_ONCE = 8


def target(place, family):
    family = {4: socket.AF_INET, 6: socket.AF_INET6}[family]
    address = socket.getaddrinfo(*place, family=family, type=socket.SOCK_STREAM)[0][4]
    return f"ipv4:{address[0]}:{address[1]}" if family == socket.AF_INET else f"ipv6:[{address[0]}]:{address[1]}"


def pairs(metadata):
    return [[name, value if isinstance(value, str) else value.hex()] for name, value in metadata or ()]


def messages_of(call, answers):
    """The requests, each when it is due; None in `answers` ends them."""
    for text in call.get("requests", [""]):
        yield text.encode()
        if call.get("lockstep") and answers.get() is None:
            return
    while call.get("hold") and answers.get() is not None:
        pass


def make(channel, call):
    began, out, answers = time.monotonic(), {"messages": []}, queue.Queue()
    stream = channel.stream_stream(f"/test.Calls/{call['method']}")(
        messages_of(call, answers), timeout=call.get("timeout", 60), metadata=call.get("metadata"))
    if "cancel" in call:
        timer = threading.Timer(call["cancel"], stream.cancel)
        timer.daemon = True  # nobody waits for it where the call has ended before
        timer.start()
    try:
        for message in stream:
            out["messages"].append(message.decode())
            answers.put(True)
    except grpc.RpcError:
        pass
    answers.put(None)
    return {**out, "code": stream.code().value[0], "details": stream.details(), "first": pairs(stream.initial_metadata()),
            "last": pairs(stream.trailing_metadata()), "seconds": time.monotonic() - began}


def main():
    asked = json.load(sys.stdin)
    channels = {}
    for call in asked:
        place = target(call["to"], call["family"])
        call["to"] = channels.setdefault(place, grpc.insecure_channel(place, options=OPTIONS))
    all_of = [call for call in asked for _ in range(call.get("count", 1))]
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        json.dump(list(pool.map(lambda call: make(call["to"], call), all_of)), sys.stdout)


if __name__ == "__main__":
    main()
