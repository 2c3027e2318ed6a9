#!/usr/bin/python3
"""Keeps connections open and asks each over and over: keep_asking.py HOST PORT FAMILY CONNECTIONS

Says "asking" once every connection was answered. A number on standard input: so many more requests, which begin after it was
read, and it ends with a JSON object: `before` and `after`, how often each version answered, `failed`, what else came, and
`opened`, how many connections there were.
"""
import collections
import http.client
import json
import socket
import sys
import threading

TIMEOUT_S = 60


class Asking:
    def __init__(self, address, connections):
        self.address, self.lock = address, threading.Lock()
        self.before, self.after, self.failed, self.opened = collections.Counter(), collections.Counter(), [], 0
        self.left = None  # requests that are still to begin; None: nobody has said yet
        self.first = threading.Barrier(connections + 1)
        self.threads = [threading.Thread(target=self.work, daemon=True) for _ in range(connections)]

    def begin(self):
        """What the next request counts as; None when there is none."""
        with self.lock:
            if self.left is None:
                return self.before
            self.left -= 1
            return self.after if self.left >= 0 else None

    def work(self):
        link, first = None, True
        while (counts := self.begin()) is not None:
            try:
                if link is None:
                    link = http.client.HTTPConnection(*self.address[:2], timeout=TIMEOUT_S)
                    with self.lock:
                        self.opened += 1
                link.request("GET", "/", headers={"host": "reviews"})
                answer = link.getresponse()
                answer.read()
                with self.lock:
                    counts[f"{answer.status} {answer.getheader('x-version')}"] += 1
                if answer.will_close:
                    link.close()
                    link = None
            except (OSError, http.client.HTTPException) as error:
                with self.lock:
                    self.failed.append(repr(error))
                link = None
            if first:
                self.first.wait()
                first = False

    def run(self):
        for thread in self.threads:
            thread.start()
        self.first.wait()
        print("asking", flush=True)
        count = int(sys.stdin.readline())
        with self.lock:
            self.left = count
        for thread in self.threads:
            thread.join()
        json.dump({"before": self.before, "after": self.after, "failed": self.failed, "opened": self.opened}, sys.stdout)


def main():
    host, port, family, connections = sys.argv[1:]
    family = {"4": socket.AF_INET, "6": socket.AF_INET6}[family]
    address = socket.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)[0][4]
    Asking(address, int(connections)).run()


if __name__ == "__main__":
    main()
