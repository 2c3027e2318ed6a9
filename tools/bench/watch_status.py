"""Asks for one path over one kept connection, again and again, until its standard input ends: a line of JSON, {"at_ns", "status"},
for the first answer and for each whose status is another than before; a failure ends it with a traceback.

    watch_status.py ADDRESS PORT HOST PATH
"""
import http.client
import json
import select
import sys
import time


def main(address, port, host, path):
    connection, before = http.client.HTTPConnection(address, int(port), timeout=10), None
    while not select.select([sys.stdin], [], [], 0)[0]:
        connection.request("GET", path, headers={"Host": host})
        answer = connection.getresponse()
        answer.read()
        if answer.status != before:
            before = answer.status
            print(json.dumps({"at_ns": time.monotonic_ns(), "status": before}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
