"""Other work beside what is measured, the same for as long as the bench takes: what `--load N` means.

A neighbour is like a build: a session of its own, so that the kernel gives it as much of a core as it gives each
process of a lab (autogroups, sched(7)), with a few jobs at once, each of them programs that start, compute for some tens
of milliseconds, and end. Work that comes and goes by itself makes one round slow and the next one not, which no
ratio of a few rounds survives.
"""
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading

from labs import ended

JOBS = 4  # of a neighbour, at once
JOB = "sum(i * i for i in range(300_000))"
PR_SET_PDEATHSIG = 1
MOST = 64


@contextlib.contextmanager
def beside(count):
    """`count` neighbours inside `with`."""
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(ended(subprocess.Popen([sys.executable, __file__, str(os.getpid())],
                                                       start_new_session=True)))
        yield


def work(stop):
    while not stop.is_set():
        subprocess.run([sys.executable, "-I", "-S", "-c", JOB], check=False)


def main(bench):
    """One neighbour, until it is told to end, or the bench has ended in any way."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    if os.getppid() != bench:
        return
    os.setpriority(os.PRIO_PROCESS, 0, 0)  # not the bench's --nice
    jobs = [threading.Thread(target=work, args=(stop,)) for _ in range(JOBS)]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()


if __name__ == "__main__":
    main(int(sys.argv[1]))
