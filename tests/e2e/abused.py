"""What an abused server has to keep: its memory, and others' connections. Shared by abuse/ and hostile/."""
import threading

from lab import wait_until

ENHANCE_YOUR_CALM, PROTOCOL_ERROR = 11, 1
MIB = 1 << 20
PEAK_MIB = 40   # one connection's share while it attacks: its windows, buffers and streams
AFTER_MIB = 12  # what the allocator keeps
WITHOUT_END_S = "8"  # of attacks that nothing ends

# What the log says of each. Two bounds meet floods that want to be acknowledged, and a server that is
# made to reset many streams at once may see more open than it allowed first.
CONTROL = "too many control frames a second|acknowledgments pile up"
BROKEN = "too many broken streams a second|broke the protocol"
FLOODS = {
    "rapid_reset": "too many (resets|broken streams) a second", "made_resets": BROKEN,
    "hpack_bomb": "a header block far beyond its bounds",
    "oversized_heads": BROKEN, "settings": CONTROL, "ping": CONTROL, "priority": CONTROL,
    "empty_data": CONTROL,
}


def memory_of(pid, line="VmRSS"):
    """Bytes, by a line in /proc/PID/status."""
    with open(f"/proc/{pid}/status") as status:
        return next(int(text.split()[1]) * 1024 for text in status if text.startswith(line + ":"))


class Witness(threading.Thread):
    """An honest client that asks again and again while inside `with`, and the server's memory meanwhile.

    ask() gives an answer, good(answer) whether it is one that an honest client should have."""

    def __init__(self, ask, good, memory):
        super().__init__(daemon=True)
        self.ask, self.good, self.memory = ask, good, memory
        self.done, self.answers, self.peak = threading.Event(), [], 0

    def run(self):
        while True:
            self.answers.append(self.ask())
            self.peak = max(self.peak, self.memory())
            if self.done.wait(0.02):
                return

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.join()


def unharmed(witness, attack, peak_mib=PEAK_MIB, after_mib=AFTER_MIB, fresh=None):
    """What attack() gives, once others were served all the time and memory was flat: to what it is before, or `fresh`."""
    assert witness.good(witness.ask())
    before = fresh or witness.memory()
    with witness:
        got = attack()
    assert witness.answers and all(map(witness.good, witness.answers)), witness.answers
    assert witness.peak - before < peak_mib * MIB, (before, witness.peak, got)
    wait_until(lambda: witness.memory() - before < after_mib * MIB, f"memory as before: {before}, {witness.memory()}")
    return got
