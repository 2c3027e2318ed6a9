"""Idle connections: pods that hold as many as they are told, and show on demand that all live."""
import contextlib
import json
import resource
import subprocess

from labs import BENCH, Failed, ended

# A connection takes a descriptor of ztunnel's on each side, of what the hard limit allows. One client pod gets less than half of
# them, so that a way through ztunnels has two (Way.holders); a server two thirds.
HARD_LIMIT = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
MOST = min(10_000, HARD_LIMIT // 2)


class Holder:
    """culvert-bench hold in one client's pod."""

    def __init__(self, way, path="across", flags=(), client=None):
        self.process = way.lab.popen(client or way.client(path), BENCH, "hold", way.targets[path], *flags,
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def tell(self, words):
        self.process.stdin.write(words + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        answer = json.loads(line) if line else {"failures": "it ended"}
        if answer["failures"]:
            raise Failed(f"idle connections, at \"{words}\": {answer}")
        return answer


class Holders:
    """Those of all pods that a way has for it, as one."""

    def __init__(self, holders):
        self.holders = holders

    def open(self, count):
        """So many in all, each asked once; shared out evenly."""
        each, more = divmod(count, len(self.holders))
        opened = sum(one.tell(f"open {each + (i < more)}")["open"] for i, one in enumerate(self.holders))
        if opened != count:
            raise Failed(f"{opened} idle connections instead of {count}")

    def ask(self):
        """Each once more: all of them still live."""
        for one in self.holders:
            one.tell("ask")

    def close(self):
        for one in self.holders:
            one.tell("close")


@contextlib.contextmanager
def holding(way, path="across", flags=()):
    """Holders inside `with`, of each of `way`'s pods for that path."""
    with contextlib.ExitStack() as stack:
        holders = [Holder(way, path, flags, client) for client in way.holders(path)]
        for one in holders:
            stack.enter_context(ended(one.process))
        yield Holders(holders)
