"""Maps that fill up are told of before they are full."""
import subprocess

from lab import wait_until

SLOTS = 10


def entry(node, word, number):
    """Adds or removes a key of cv_origin that no connection has (48-byte keys, 24-byte values)."""
    key = [str(number + 1)] + ["0"] * 47
    value = ["value", *["0"] * 24] if word == "update" else []
    subprocess.run(["/usr/sbin/bpftool", "map", word, "pinned", f"{node.pins}/cv_origin", "key", *key, *value],
                   check=True, capture_output=True)


def full_maps(node):
    return node.call("GET", "/healthz/ready")[1]["full_maps"]


def test_a_map_at_eighty_percent_is_told_in_the_log_and_in_the_status(node):
    node.command += ["--max-handshakes", str(SLOTS)]
    node.start()
    assert full_maps(node) == []
    for number in range(8):
        entry(node, "update", number)
    wait_until(lambda: full_maps(node) == ["cv_origin"], "the alarm")
    assert f"cv_origin holds 8 of {SLOTS} entries" in node.log()
    for number in range(8):
        entry(node, "delete", number)
    wait_until(lambda: full_maps(node) == [], "the end of the alarm")
    assert f"cv_origin holds 0 of {SLOTS} entries again" in node.log()
