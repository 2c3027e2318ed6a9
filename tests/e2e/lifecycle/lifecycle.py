"""What these tests ask of a lab's processes, and do to them."""
import contextlib
import itertools
import json
import pathlib

from lab import wait_until

names = itertools.count()


def component(lab, name):
    return next(c for c in lab.status()["components"] if c["id"] == name)


def admin(lab, node, method, path, port=15000, status=False):
    """The body (or the status) of a request to the ztunnel of a node."""
    what = ["-o", "/dev/null", "-w", "%{http_code}"] if status else []
    return lab.exec(f"node/{node}", "curl", "-sS", "-m", "5", "-X", method, *what,
                    f"http://127.0.0.1:{port}{path}", check=True).stdout


def alive(pid):
    """False for a zombie too."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rsplit(")", 1)[1].split()[0] not in ("Z", "X")


def ended(pid, within):
    wait_until(lambda: not alive(pid), f"the end of process {pid}", timeout=within)


def say(process, text):
    process.stdin.write(text + "\n")
    process.stdin.flush()


def lines_of(process):
    """The JSON lines up to the end of a process's output."""
    out = [json.loads(line) for line in process.stdout]
    process.wait(timeout=10)
    return out


@contextlib.contextmanager
def kept(mesh, client, server, port=8080):
    """A connection that stays open; called with words it gives the outcome of saying them."""
    name = f"kept-{next(names)}"
    got = mesh.flow(client, server, port, keep=name)
    assert got["outcome"] == "answered", got
    yield lambda text: mesh.rounds({client: [{"on": name, "text": text}]})[client][0]["outcome"]
