"""The data threads do their work by io_uring alone: seen from outside with strace, under load."""
import json
import pathlib
import re
import subprocess
import time

import pytest
from lab import APPS
from town import CLIENT, ip_of, pid_of

FORBIDDEN = re.compile(r"^(read|readv|pread64|write|writev|pwrite64|recv\w*|send\w*|accept4?|connect|poll|ppoll|"
                       r"select|pselect6|epoll_\w+)$")


def data_threads(pid):
    """The ids of the threads that carry traffic, by their names."""
    tasks = pathlib.Path(f"/proc/{pid}/task")
    return [task.name for task in tasks.iterdir() if re.match(r"worker-\d+$", (task / "comm").read_text().strip())]


def table(text):
    """{system call: count} of strace -c."""
    rows = [line.split() for line in text.splitlines()]
    return {row[-1]: int(row[3]) for row in rows if len(row) >= 5 and row[3].isdigit() and row[-1] != "total"}


@pytest.mark.parametrize("node", ["east", "west"])
def test_under_load_they_call_io_uring_enter_and_nothing_that_reads_writes_or_polls(joined, node):
    pid = pid_of(joined, f"node/{node}/ztunnel")
    threads = data_threads(pid)
    assert threads, "no thread of ztunnel has the name of a worker"
    attach = [word for thread in threads for word in ("-p", thread)]
    with subprocess.Popen(["strace", "-c", *attach], stderr=subprocess.PIPE, text=True) as strace:
        time.sleep(0.3)
        for argv in (("call", ip_of(joined, "town/far", 4), 5001, 20 << 20, 20 << 20),
                     ("call", ip_of(joined, "town/near", 6), 5001, 20 << 20, 20 << 20),
                     ("echo", ip_of(joined, "town/far", 6), 5001, 50)):
            done = joined.exec(CLIENT, "python3", APPS / "bulk.py", *argv, input="")
            assert done.returncode == 0 and json.loads(done.stdout), done.stderr
        strace.send_signal(2)
        text = strace.stderr.read()
    calls = table(text)
    assert calls.get("io_uring_enter", 0) > 100, text
    assert not [name for name in calls if FORBIDDEN.match(name)], text
