"""The data threads do their work by io_uring alone: seen from outside with strace, under load."""
import collections
import json
import pathlib
import re
import subprocess

import pytest
from lab import APPS
from town import CLIENT, ip_of, pid_of

FORBIDDEN = re.compile(r"^(read|readv|pread64|write|writev|pwrite64|recv\w*|send\w*|accept4?|connect|poll|ppoll|"
                       r"select|pselect6|epoll_\w+)$")


def data_threads(pid):
    """The ids of the threads that carry traffic, by their names."""
    tasks = pathlib.Path(f"/proc/{pid}/task")
    return [task.name for task in tasks.iterdir() if re.match(r"worker-\d+$", (task / "comm").read_text().strip())]


# glibc's malloc asks once in a process' life whether memory may be given back, when a thread's arena first shrinks:
# check_may_shrink_heap() in its arena.c.
MALLOC = re.compile(r"read\(\d+</proc/sys/vm/overcommit_memory>")
CALL = re.compile(r"(?:\d+ +)?(\w+)\(")  # after the thread, where there are several


def calls_of(text):
    """(how often each system call was made, the lines of those that are forbidden) of what strace wrote."""
    made, forbidden = collections.Counter(), []
    for line in text.splitlines():
        call = CALL.match(line)
        if not call:
            continue
        made[call[1]] += 1
        if FORBIDDEN.match(call[1]) and not MALLOC.search(line):
            forbidden.append(line)
    return made, forbidden


@pytest.mark.parametrize("node", ["east", "west"])
def test_under_load_they_call_io_uring_enter_and_nothing_that_reads_writes_or_polls(joined, node, tmp_path):
    pid = pid_of(joined, f"node/{node}/ztunnel")
    threads = data_threads(pid)
    assert threads, "no thread of ztunnel has the name of a worker"
    attach = [word for thread in threads for word in ("-p", thread)]
    seen = tmp_path / "strace"
    with subprocess.Popen(["strace", "-y", "-o", seen, *attach], stderr=subprocess.PIPE, text=True) as strace:
        for _ in threads:
            assert " attached" in (said := strace.stderr.readline()), said
        for argv in (("call", ip_of(joined, "town/far", 4), 5001, 20 << 20, 20 << 20),
                     ("call", ip_of(joined, "town/near", 6), 5001, 20 << 20, 20 << 20),
                     ("echo", ip_of(joined, "town/far", 6), 5001, 50)):
            done = joined.exec(CLIENT, "python3", APPS / "bulk.py", *argv, input="", timeout=300)
            assert done.returncode == 0 and json.loads(done.stdout), done.stderr
        strace.send_signal(2)
        said = strace.stderr.read()
    made, forbidden = calls_of(seen.read_text())
    assert made["io_uring_enter"] > 100, (made, said)
    assert not forbidden, made
